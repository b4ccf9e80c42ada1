"""``vsr upscale --preview --report``: images while it runs, a page at the end, the output unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from program import Run

import vsr
from vsr.cli.option_types import complete

Call, Clips = Callable[..., Run], Callable[[str], Path]
QUICK = ("--method", "lanczos", "--speed", "ultrafast")


def _segments(output: Path) -> list[tuple[str, str]]:
    manifest = json.loads(output.with_name(f"{output.name}.vsr.json").read_text())
    return [(segment["key"], segment["sha256"]) for segment in manifest["segments"]]


@pytest.mark.usefixtures("no_leaks")
def test_the_output_is_the_same(call: Call, clips: Clips, tmp_path: Path) -> None:
    plain, watched = tmp_path / "plain.mp4", tmp_path / "watched.mp4"
    assert call("upscale", clips("long"), "-o", plain, *QUICK).code == 0
    done = call("upscale", clips("long"), "-o", watched, *QUICK, "--preview", "--report")
    assert done.code == 0, done.err
    assert watched.read_bytes() == plain.read_bytes()
    assert _segments(watched) == _segments(plain)
    assert cv2.imread(str(tmp_path / "watched.mp4.preview.png")) is not None
    assert (tmp_path / "watched.mp4.report.html").is_file()
    assert done.out.splitlines()[-1] == str(tmp_path / "watched.mp4.report.html")


@pytest.mark.slow
def test_several_workers_write_one_image(clips: Clips, tmp_path: Path) -> None:
    settings = {"method": "lanczos", "speed": "ultrafast", "segment_frames": 24}
    output, place = tmp_path / "out.mp4", tmp_path / "look.png"
    vsr.upscale(clips("long"), output, workers=2, preview=place, settings=settings)
    assert cv2.imread(str(place)) is not None
    assert not [entry.name for entry in tmp_path.iterdir() if entry.name.endswith(".tmp")]


def test_a_batch_and_json_lines(call: Call, clips: Clips, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    folder, looks = tmp_path / "out", tmp_path / "looks"
    inputs = (clips("plain"), bad, clips("cfr"))
    done = call("upscale", *inputs, "-o", f"{folder}/", *QUICK, "--preview", f"{looks}/", "--report", "--json-lines")
    assert done.code == 3
    events = [json.loads(line) for line in done.out.splitlines()]
    pages = [event["page"] for event in events if event["event"] == "report"]
    assert sorted(pages) == sorted(str(folder / f"{name}.mp4.report.html") for name in ("plain", "cfr"))
    assert {entry.name for entry in looks.iterdir()} == {"plain.mp4.png", "cfr.mp4.png"}


def test_refusals(call: Call, clips: Clips, tmp_path: Path) -> None:
    plain = clips("plain")
    wrong = call("upscale", plain, "-o", tmp_path / "a.mp4", *QUICK, "--preview", tmp_path / "x.jpg")
    assert (wrong.code, "x.jpg is neither a .png nor a folder" in wrong.one_line()) == (2, True)
    nowhere = call("upscale", plain, "-o", tmp_path / "a.mp4", *QUICK, "--preview", tmp_path / "no" / "x.png")
    assert (nowhere.code, "preview folder" in nowhere.one_line()) == (5, True)
    away = call("upscale", plain, "-o", "s3://bucket/a.mp4", *QUICK, "--report")
    assert (away.code, "--report needs an output on this machine" in away.one_line()) == (2, True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a", "--preview"], ["a", "--preview", "beside"]),
        (["--preview", "-o", "b"], ["--preview", "beside", "-o", "b"]),
        (["--preview", "x.png", "a"], ["--preview", "x.png", "a"]),
        (["--preview", "x.JPG", "a"], ["--preview", "x.JPG", "a"]),
        (["--preview", "looks/", "a"], ["--preview", "looks/", "a"]),
        (["--preview", "a.mp4"], ["--preview", "beside", "a.mp4"]),
        (["--preview", "in/%06d.png"], ["--preview", "beside", "in/%06d.png"]),
        (["--preview=x.png", "a"], ["--preview=x.png", "a"]),
        (["--", "--preview"], ["--", "--preview"]),
    ],
)
def test_the_value_may_be_left_out(given: list[str], expected: list[str]) -> None:
    assert complete(given, "--preview", "beside") == expected
