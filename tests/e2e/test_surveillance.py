"""pipelines/surveillance.py: a folder for every camera, a line for every recording."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plain_reader import read_plain
from recipes import PIPELINES, Recipe
from videos import X264, encode, scene

import vsr

Clips = Callable[[str], Path]


def test_every_camera_has_its_folder_and_every_recording_its_line(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    for camera, names in {"gate": ["plain", "cfr"], "lobby": ["plain"], "yard": []}.items():
        (tmp_path / "recordings" / camera).mkdir(parents=True)
        for name in names:
            shutil.copy(clips(name), tmp_path / "recordings" / camera / f"{name}.mp4")
    (tmp_path / "recordings" / "lobby" / "torn.mp4").write_bytes(clips("cfr").read_bytes()[:3000])
    target = tmp_path / "clips"
    done = recipe("surveillance", tmp_path / "recordings", "-o", target)
    assert done.code == 3, done.out + done.err
    rows = list(csv.DictReader((target / "outcomes.csv").open(encoding="utf-8", newline="")))
    assert [(row["camera"], Path(row["input"]).name, row["status"]) for row in rows] == [
        ("gate", "cfr.mp4", "done"),
        ("gate", "plain.mp4", "done"),
        ("lobby", "plain.mp4", "done"),
        ("lobby", "torn.mp4", "failed"),
        ("yard", "yard", "failed"),
    ]
    assert [row["exit_code"] for row in rows] == ["0", "0", "0", "3", "3"]
    assert "holds no videos" in rows[4]["error"]
    assert rows[0]["evidence"] == "interpolation"  # what lanczos rests on; the preset's method says observation-model
    assert rows[0]["generative"] == "False"
    manifest = json.loads((target / "gate" / "cfr.mov.vsr.json").read_text())
    assert rows[0]["input_sha256"] == manifest["input"]["sha256"] != ""
    assert rows[0]["output_sha256"] == manifest["output"]["files"]["cfr.mov"]
    assert read_plain(Path(rows[0]["output"])).video.codec == "ffv1"
    table: list[dict[str, Any]] = json.loads((target / "outcomes.json").read_text())
    assert [{key: str(value) for key, value in row.items()} for row in table] == rows
    again = recipe("surveillance", tmp_path / "recordings", "-o", target)
    assert again.code == 3
    table = json.loads((target / "outcomes.json").read_text())
    assert [row["status"] for row in table] == ["done before"] * 3 + ["failed"] * 2


def test_the_preset_is_evidence_based(clips: Clips, tmp_path: Path) -> None:
    """Without settings of the test's own: the whole way of the preset, on one short recording."""
    camera = tmp_path / "gate"
    camera.mkdir()
    encode(camera / "a.mp4", scene(6, 64, 48), *X264)
    command = [sys.executable, str(PIPELINES / "surveillance.py"), str(camera), "-o", str(tmp_path / "clips")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [row] = json.loads((tmp_path / "clips" / "outcomes.json").read_text())
    assert (row["method"], row["evidence"], row["generative"]) == ("multiframe", "observation-model", False)
    assert row["num_frames"] == 6


def test_recordings_beside_a_folder_of_others_are_not_left_out(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "rec" / "old").mkdir(parents=True)
    for place in (tmp_path / "rec" / "today.mp4", tmp_path / "rec" / "old" / "first.mp4"):
        shutil.copy(clips("plain"), place)
    done = recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "clips")
    assert done.code == 0, done.out + done.err
    rows = list(csv.DictReader((tmp_path / "clips" / "outcomes.csv").open(encoding="utf-8", newline="")))
    assert [(row["camera"], Path(row["input"]).name) for row in rows] == [("rec", "today.mp4"), ("old", "first.mp4")]
    done = recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "rec" / "today.mp4")
    assert (done.code, "Not a directory" in done.err, len(done.err.splitlines())) == (5, True, 1)


def _record(clips: Clips, folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        shutil.copy(clips("plain"), folder / name)
    return folder


def _table(folder: Path) -> list[tuple[str, str, str]]:
    """Camera, recording, status of each row."""
    rows = json.loads((folder / "outcomes.json").read_text(encoding="utf-8"))
    return [(row["camera"], Path(row["input"]).name, row["status"]) for row in rows]


def test_clips_among_recordings(recipe: Recipe, clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of clips beside the cameras is none; clips are never put into a camera's folder, nor beside it."""
    gate = _record(clips, tmp_path / "rec" / "gate", "a.mp4")
    for status in ("done", "done before"):
        done = recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "rec" / "clips")
        assert done.code == 0, done.out + done.err
        assert _table(tmp_path / "rec" / "clips") == [("gate", "a.mp4", status)]
    for folder, output in ((tmp_path / "rec", tmp_path / "rec"), (gate, tmp_path / "rec"), (gate, gate)):
        done = recipe("surveillance", folder, "-o", output)
        assert (done.code, "would lie among recordings" in done.err) == (2, True)
    (gate / "here").mkdir()
    monkeypatch.chdir(gate / "here")
    done = recipe("surveillance", "..", "-o", tmp_path / "clips")
    assert (tmp_path / "clips" / "gate" / "a.mov").exists(), done.out + done.err


def test_a_camera_that_is_refused_stops_no_other(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    _record(clips, tmp_path / "rec" / "east", "a.mp4", "a.mov")
    _record(clips, tmp_path / "rec" / "west", "a.mp4")
    done = recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "clips")
    assert (done.code, done.err) == (2, "")
    assert "would both become" in done.out
    assert _table(tmp_path / "clips") == [("east", "east", "failed"), ("west", "a.mp4", "done")]


def test_rows_of_earlier_runs_stay(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    """Of a camera that is not named this time, failures too, and of recordings whose clips are all that is left."""
    gate, yard = (_record(clips, tmp_path / "rec" / name, "a.mp4") for name in ("gate", "yard"))
    for folder in (gate, yard):
        (folder / "torn.mp4").write_bytes(b"no video" * 100)
    assert recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "clips").code == 3
    (gate / "a.mp4").rename(gate / "b.mp4")
    (gate / "torn.mp4").unlink()
    assert recipe("surveillance", gate, "-o", tmp_path / "clips").code == 0
    expected = [("gate", "a.mp4", "done"), ("yard", "a.mp4", "done"), ("yard", "torn.mp4", "failed")]
    assert _table(tmp_path / "clips") == [*expected, ("gate", "b.mp4", "done")]


def test_two_runs_at_a_time_share_a_table(
    recipe: Recipe, clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, yard = (_record(clips, tmp_path / "rec" / name, "a.mp4") for name in ("gate", "yard"))
    upscale, target = vsr.upscale, tmp_path / "clips"

    def meanwhile(*arguments: Any, **requested: Any) -> list[vsr.Outcome]:
        monkeypatch.setattr(vsr, "upscale", upscale)
        assert recipe("surveillance", yard, "-o", target).code == 0
        return upscale(*arguments, **requested)

    monkeypatch.setattr(vsr, "upscale", meanwhile)
    assert recipe("surveillance", gate, "-o", target).code == 0
    assert _table(target) == [("yard", "a.mp4", "done"), ("gate", "a.mp4", "done")]


def test_a_table_that_is_not_ours_is_not_replaced(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    _record(clips, tmp_path / "gate", "a.mp4")
    table = tmp_path / "clips" / "outcomes.json"
    table.parent.mkdir()
    table.write_text("somebody's")
    done = recipe("surveillance", tmp_path / "gate", "-o", table.parent)
    assert (done.code, done.err) == (2, f"surveillance: {table} is no table of this pipeline; move it away\n")
    assert [entry.name for entry in table.parent.iterdir()] == ["outcomes.json"]


def test_a_camera_of_images(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    vsr.export_frames(clips("plain"), tmp_path / "gate" / "%06d.png", end=2)
    for codec, name in (("ffv1", "gate.mkv"), ("png", "%06d.png")):
        done = recipe("surveillance", tmp_path / "gate", "-o", tmp_path / codec, "--set", f"codec={codec}")
        assert done.code == 0, done.out + done.err
        [row] = json.loads((tmp_path / codec / "outcomes.json").read_text(encoding="utf-8"))
        assert (Path(row["output"]).name, row["num_frames"], bool(row["output_sha256"])) == (name, 2, codec == "ffv1")


def test_cameras_of_one_name_are_refused(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    for place in ("east", "west"):
        (tmp_path / place / "gate").mkdir(parents=True)
    done = recipe("surveillance", tmp_path / "east", tmp_path / "west", "-o", tmp_path / "clips")
    assert done.code == 2
    assert "have the same name" in done.err
