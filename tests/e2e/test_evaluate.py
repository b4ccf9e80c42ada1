"""``vsr evaluate`` as a person or a script uses it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from program import Run
from videos import scene

import vsr

Call = Callable[..., Run]
PROGRAM = [sys.executable, "-c", "from vsr.cli import main; main()", "evaluate"]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A set of two colour images and a grey one, with sides that no scale divides."""
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder = tmp_path / "set"
    folder.mkdir()
    for name, image in zip(("a.png", "b.bmp"), scene(2, 67, 47), strict=True):
        pillow.fromarray(image).save(folder / name)
    pillow.fromarray(scene(1, 67, 47)[0, :, :, 1]).save(folder / "c.tif")
    return folder


def test_json_is_all_that_is_printed(call: Call, images: Path) -> None:
    done = call("evaluate", "--method", "bicubic", "lanczos", "--scale", 2, 3, "--data", images, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    rows = [(row["method"], row["scale"], row["data"], row["num_items"]) for row in document["results"]]
    assert rows == [(name, scale, "set", 3) for name in ("bicubic", "lanczos") for scale in (2, 3)]
    for row in document["results"]:
        for key in ("psnr_y", "ssim_y", "lr_psnr", "seconds_per_picture"):
            assert row[key] == pytest.approx(np.mean([item[key] for item in row["items"]]), abs=1e-5)
    assert document["results"][0]["psnr_y"] > document["results"][1]["psnr_y"]  # x2 is easier than x3
    assert "12/12" in done.err


def test_a_table_and_repeated_options(call: Call, images: Path) -> None:
    done = call("evaluate", "--method=bicubic", "--scale", 2, "--scale", 4, "--data", images, "-q")
    assert done.err == ""
    head, _, *rows = done.out.splitlines()
    assert "PSNR-Y" in head
    assert [row.split("|")[2].strip() for row in rows] == ["×2", "×4"]


@pytest.mark.parametrize(("name", "start"), [("t.json", "{"), ("t.csv", "method,scale"), ("t.md", "| method")])
def test_into_a_file(call: Call, images: Path, tmp_path: Path, name: str, start: str) -> None:
    output = tmp_path / "results" / name
    output.parent.mkdir()
    arguments = ("evaluate", "--method", "bicubic", "--scale", 2, "--data", images, "-o", output)
    done = call(*arguments)
    assert (done.code, done.out) == (0, "")
    assert output.read_text().startswith(start)
    assert "found" not in done.err
    assert "3 found done" in call(*arguments).err
    assert {entry.name for entry in output.parent.iterdir()} == {name, f".{name}.results.jsonl"}
    assert not (tmp_path / "cache").exists()


def test_it_goes_on_where_it_stopped(call: Call, images: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", "--scale", 2, "--data", images, "--resume", tmp_path / "kept", "--json")
    first = json.loads(call(*arguments, "--method", "bicubic").out)
    again = call(*arguments, "--method", "bicubic", "lanczos")
    assert "3 found done" in again.err
    assert json.loads(again.out)["results"][0] == first["results"][0]  # the times, too
    (images / "a.png").write_bytes((images / "b.bmp").read_bytes())
    [same] = json.loads(call(*arguments, "--method", "bicubic").out)["results"]
    assert [item["name"] for item in same["items"]] == ["a", "b", "c"]
    assert same["items"][0]["psnr_y"] == same["items"][1]["psnr_y"]
    changed = bytearray((images / "b.bmp").read_bytes())
    changed[-1] ^= 1
    (images / "a.png").write_bytes(changed)
    assert "4 found done" in call(*arguments, "--method", "bicubic", "lanczos").err
    assert "found" not in call(*arguments, "--method", "bicubic", "--fresh").err


@pytest.mark.slow
def test_stopped_by_a_signal_it_keeps_what_is_finished(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    (tmp_path / "many").mkdir()
    for number in range(6):
        pillow.fromarray(scene(1, 640, 480, seed=number)[0]).save(tmp_path / "many" / f"{number:03d}.bmp")
    kept = tmp_path / "kept.jsonl"
    command = [*PROGRAM, "--method", "bicubic", "lanczos", "--scale", "2", "3", "4", "--data", str(tmp_path / "many")]
    command += ["--json", "--resume", str(kept)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (kept.exists() and kept.read_text().count("\n") >= 1):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (6, ""), err
    assert "goes on from there" in err
    finished = kept.read_text().count("\n")
    assert 1 <= finished < 36
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{finished} found done" in again.stderr
    assert len(json.loads(again.stdout)["results"]) == 6


def test_from_python(images: Path) -> None:
    steps = []
    evaluation = vsr.evaluate("bicubic", 2, images, on_step=steps.append)
    [row] = evaluation.results
    assert [item.name for item in row.items] == ["a", "b", "c"]
    assert row.mean.psnr_y > 15
    assert [(step.done, step.total) for step in steps] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def _errors(images: Path) -> dict[str, tuple[list[Any], int, str]]:
    data = ["--data", images]
    (images.parent / "empty").mkdir()
    return {
        "missing": (["--method", "bicubic", "--scale", 2, "--data", images / "no"], 3, "no such folder"),
        "empty": (["--method", "bicubic", "--scale", 2, "--data", images.parent / "empty"], 3, "holds no image"),
        "unknown": (["--method", "bicubc", "--scale", 2, *data], 2, "did you mean 'bicubic'"),
        "no weights": (["--method", images / "no.pth", "--scale", 2, *data], 4, "no.pth"),
        "no clips": (["--method", "multiframe", "--scale", 2, *data], 2, "needs clips"),
        "too small": (["--method", "bicubic", "--scale", 16, *data], 3, "too few for x16"),
        "scale": (["--method", "bicubic", "--scale", 0, *data], 2, "allowed are whole numbers"),
        "no scale": (["--method", "bicubic", *data], 2, "--scale"),
        "formats": (["--method", "bicubic", "--scale", 2, *data, "--json", "--csv"], 2, "exclude each other"),
        "output": (["--method", "bicubic", "--scale", 2, *data, "-o", images / "no" / "t.md"], 5, "no folder"),
        "device": (["--method", "bicubic", "--scale", 2, *data, "--device", "cuda:77"], 2, "is not here"),
        "key": (["--method", "bicubic", "--scale", 2, *data, "--set", "quality"], 2, "quality"),
    }


def test_errors_are_one_line(call: Call, images: Path) -> None:
    for name, (arguments, code, message) in _errors(images).items():
        done = call("evaluate", *arguments, "-q")
        assert (done.code, done.out) == (code, ""), name
        assert message in done.one_line(), name


def test_a_damaged_image_does_not_cost_the_others(call: Call, images: Path, tmp_path: Path) -> None:
    whole = (images / "c.tif").read_bytes()
    (images / "c.tif").write_bytes(whole[: len(whole) // 2])
    arguments = ("evaluate", "--method", "bicubic", "--scale", 2, "--data", images, "--resume", tmp_path / "kept")
    done = call(*arguments, "-q")
    assert done.code == 3
    assert "c.tif" in done.one_line()
    (images / "c.tif").write_bytes(whole)
    assert "2 found done" in call(*arguments).err


def test_a_cache_that_cannot_be_is_done_without(
    call: Call, images: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    arguments = ("evaluate", "--method", "bicubic", "--scale", 2, "--data", images, "--json")
    done = call(*arguments)
    assert done.code == 0
    assert len(json.loads(done.out)["results"]) == 1
    assert "--resume" in done.err
    (tmp_path / "file").touch()
    result = call(*arguments, "-q", "--resume", tmp_path / "file" / "below")
    assert result.code == 5
    assert "--resume" in result.one_line()
