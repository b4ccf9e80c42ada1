"""What the container leaves out of the coded frame stays out. Judged by ffmpeg, which crops as players do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boxes import clap, sample_entries, with_boxes
from plain_reader import first_frames
from program import Run
from videos import encode, ffmpeg, scene

import vsr

Call = Callable[..., Run]
LOSSLESS = {"scale": 1, "method": "bicubic", "codec": "ffv1", "speed": None}
X264_LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-threads", "1")
APERTURES = {
    "bars": (clap(96, 48, 0, 0), (96, 48)),
    "one side": (clap(82, 54, -6, -6), (82, 54)),
    "odd": (clap(83, 55, -5, -7), (82, 54)),
}
"""Boxes for images of 96 × 64, and the size that stays: players keep whole chroma samples."""


def _source(folder: Path, extension: str, aperture: bytes, num_frames: int = 6, *options: str) -> Path:
    plain = encode(folder / "plain.mp4", scene(num_frames), *X264_LOSSLESS, *options)
    source = with_boxes(plain, folder / "cropped.mp4", aperture)
    if extension == "mp4":
        return source
    target = folder / f"cropped.{extension}"
    ffmpeg("-i", str(source), "-c", "copy", str(target))
    return target


def _md5(path: Path, *before: str) -> list[str]:
    """Digests of the frames as the ffmpeg program shows them."""
    out = path.with_name(f"{path.name}.ffmpeg-md5")
    ffmpeg(*before, "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", str(out))
    return [line.rpartition(",")[2].strip() for line in out.read_text().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("kind", APERTURES)
def test_the_output_is_what_players_show(tmp_path: Path, quick: dict[str, Any], kind: str, extension: str) -> None:
    aperture, size = APERTURES[kind]
    source = _source(tmp_path, extension, aperture)
    requested = _md5(source)
    assert requested != _md5(source, "-apply_cropping", "none"), "there is something to crop"
    [outcome] = vsr.upscale(source, tmp_path / "out.mkv", settings=quick | LOSSLESS)
    assert {(f.width, f.height) for f in first_frames(tmp_path / "out.mkv")} == {size}
    assert _md5(tmp_path / "out.mkv") == requested
    assert _md5(tmp_path / "out.mkv", "-apply_cropping", "none") == requested, "nor is anything cropped twice"
    assert outcome.manifest is not None
    [assumption] = [text for text in outcome.manifest["assumptions"] if "cropped as the container says" in text]
    assert assumption.startswith("96x64 cropped")


def test_checksums_of_the_input_are_those_of_ffmpeg(tmp_path: Path, quick: dict[str, Any]) -> None:
    source = _source(tmp_path, "mp4", APERTURES["one side"][0])
    vsr.upscale(source, tmp_path / "out.mkv", settings=quick | LOSSLESS)
    lines = (tmp_path / "out.mkv.input.framemd5").read_text().splitlines()
    assert [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")] == _md5(source)


def test_a_part_read_after_a_seek_is_cropped_alike(tmp_path: Path, quick: dict[str, Any]) -> None:
    source = _source(tmp_path, "mp4", APERTURES["one side"][0], 80, "-g", "10")
    vsr.upscale(source, tmp_path / "out.mkv", start=60, end=66, settings=quick | LOSSLESS)
    assert _md5(tmp_path / "out.mkv") == _md5(source)[60:66]


def test_exported_frames_stills_and_sizes_mean_what_is_shown(call: Call, tmp_path: Path) -> None:
    """Sisters: every command reads through the same door."""
    source = _source(tmp_path, "mkv", APERTURES["bars"][0])
    assert call("frames", source, "-o", tmp_path / "f" / "%03d.png", "--end", 2).code == 0
    assert {(f.width, f.height) for p in sorted((tmp_path / "f").glob("*.png")) for f in first_frames(p)} == {(96, 48)}
    assert call("upscale", source, "-o", tmp_path / "out.mp4", "--height", 96, "--method", "bicubic", "-q").code == 0
    [frame] = first_frames(tmp_path / "out.mp4", 1)
    assert (frame.width, frame.height) == (192, 96)
    assert b"clap" not in sample_entries(tmp_path / "out.mp4")[0][1]
    assert "96x48" in call("probe", source).out


def test_a_crop_that_leaves_nothing_is_ignored(tmp_path: Path, quick: dict[str, Any]) -> None:
    source = _source(tmp_path, "mp4", clap(2, 2, 0, 0))
    [outcome] = vsr.upscale(source, tmp_path / "out.mkv", settings=quick | LOSSLESS)
    assert {(f.width, f.height) for f in first_frames(tmp_path / "out.mkv")} == {(96, 64)}
    assert outcome.manifest is not None
    assert any(text.startswith("not cropped: of 96x64 nothing would stay") for text in outcome.manifest["assumptions"])
