"""`vsr verify --recompute`: every method, parts, images; and one true line where it cannot be done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_networks import small_network
from videos import encode, scene

import vsr
from vsr.pipeline.seal import record_pieces, seal

Clips = Callable[[str], Path]
_STILL: dict[str, Any] = {
    "at": 4,
    "roi": (8, 8, 32, 24),
    "frames": 4,
    "scale": 2,
    "motion": "translation",
    "psf_sigma_px": 0.45,
    "regularization": 1.0,
}
"""Of a still that takes little time."""
pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Eight small frames."""
    return encode(tmp_path / "in.mkv", scene(8, 64, 48), "-c:v", "ffv1")


def _again(output: Path, **options: Any) -> vsr.Check:
    [*others, last] = vsr.verify(output, recompute=True, **options)
    assert last.what == "made again"
    assert not [entry.name for entry in output.parent.iterdir() if entry.name.startswith(".vsr-recompute")]
    if last.passed:
        assert all(check.passed for check in others)
    return last


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "bicubic", "scale": 1.5, "codec": "ffv1"},
        {"method": "multiframe", "quality": "draft", "evidence": True},
        {"method": "auto", "quality": "draft"},
        {"method": "multiframe", "solver": "l2", "psf_sigma_px": 0.4, "radius_frames": 1, "crf": 30},
    ],
)
def test_methods(source: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    vsr.upscale(source, tmp_path / "out.mkv", settings=settings)
    assert "identical bytes" in _again(tmp_path / "out.mkv").detail


def test_a_network_named_from_another_folder(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "weights" / "mine.safetensors"
    weights.parent.mkdir()
    shutil.copy(small_network("Y"), weights)
    monkeypatch.chdir(weights.parent)
    vsr.upscale(source, tmp_path / "out.mp4", settings={"method": "mine.safetensors", "self_ensemble": True})
    monkeypatch.chdir("/")
    assert "identical bytes" in _again(tmp_path / "out.mp4").detail
    shutil.copy(small_network("Y", seed=2), weights)
    found = _again(tmp_path / "out.mp4")
    assert (found.passed, "holds other weights than those recorded" in found.detail) == (False, True)
    weights.unlink()
    found = _again(tmp_path / "out.mp4")
    assert not found.passed
    assert found.detail.startswith("not made: ")
    assert str(weights) in found.detail


def test_a_blend_of_networks(source: Path, tmp_path: Path) -> None:
    one, other = small_network("RGB"), small_network("RGB", seed=4)
    vsr.upscale(source, tmp_path / "out.mp4", settings={"method": f"{one}:{other}@0.3", "consistent": True})
    assert "identical bytes" in _again(tmp_path / "out.mp4").detail


@pytest.mark.parametrize(("start", "end"), [(2, 7), ("0:00.08", None), (None, "0:00.2")])
def test_parts(clips: Clips, tmp_path: Path, quick: dict[str, Any], start: Any, end: Any) -> None:
    vsr.upscale(clips("plain"), tmp_path / "out.mp4", start=start, end=end, settings=quick)
    assert "identical bytes" in _again(tmp_path / "out.mp4").detail


def test_images(source: Path, tmp_path: Path) -> None:
    images = tmp_path / "images" / "%03d.png"
    vsr.upscale(source, images, settings={"method": "lanczos"})
    assert "identical bytes" in _again(images).detail
    back = tmp_path / "back.mkv"
    vsr.upscale(images.parent, back, settings={"method": "lanczos", "codec": "ffv1"})
    assert "identical bytes" in _again(back).detail


def test_exported_frames(clips: Clips, tmp_path: Path) -> None:
    frames = tmp_path / "frames" / "%06d.png"
    vsr.export_frames(clips("plain"), frames, start=3, end=6)
    assert _again(frames).detail == "identical bytes, 4 files"
    assert _again(tmp_path / "frames.vsr.json").passed


def test_an_input_that_was_moved(source: Path, tmp_path: Path, quick: dict[str, Any]) -> None:
    vsr.upscale(source, tmp_path / "out.mp4", settings=quick)
    vsr.still(source, tmp_path / "out.png", **_STILL)
    vsr.export_frames(source, tmp_path / "frames" / "%03d.png", end=2)
    moved = source.rename(tmp_path / "exhibit.mkv")
    for output in (tmp_path / "out.mp4", tmp_path / "out.png", tmp_path / "frames" / "%03d.png"):
        found = _again(output)
        assert (found.passed, "in.mkv is not here" in found.detail) == (False, True)
        assert "identical bytes" in _again(output, source=moved).detail
        assert any(check.detail == "SHA-256" for check in vsr.verify(output, source=moved) if check.what == "input")
    with pytest.raises(vsr.InputError, match="no such file"):
        vsr.verify(tmp_path / "out.mp4", source=tmp_path / "nowhere.mkv")


@pytest.mark.parametrize("kind", ["video", "still", "frames"])
def test_a_record_of_another_version(source: Path, tmp_path: Path, quick: dict[str, Any], kind: str) -> None:
    output = {"video": "out.mp4", "still": "out.png", "frames": "frames/%03d.png"}[kind]
    if kind == "video":
        vsr.upscale(source, tmp_path / output, settings=quick)
    elif kind == "still":
        vsr.still(source, tmp_path / output, **_STILL)
    else:
        vsr.export_frames(source, tmp_path / output, end=2)
    path = tmp_path / ("frames.vsr.json" if kind == "frames" else f"{output}.vsr.json")
    record = json.loads(path.read_text())
    record["format"] = 99
    seal(record)
    path.write_text("".join(record_pieces(record)))
    with pytest.raises(vsr.VerificationError, match="use the vsr that wrote it"):
        vsr.verify(tmp_path / output, recompute=True)
    path.write_text("[1, 2]\n")
    with pytest.raises(vsr.VerificationError, match="is not a record of vsr"):
        vsr.verify(tmp_path / output)
    path.write_text('{"format": 2}\n')
    assert [check.what for check in vsr.verify(tmp_path / output) if not check.passed] == ["record"]


def test_a_record_of_another_file(source: Path, tmp_path: Path, quick: dict[str, Any]) -> None:
    vsr.upscale(source, tmp_path / "a.mp4", settings=quick)
    vsr.upscale(source, tmp_path / "b.mp4", settings=quick | {"crf": 40})
    shutil.copy(tmp_path / "a.mp4.vsr.json", tmp_path / "b.mp4.vsr.json")
    failed = {check.what for check in vsr.verify(tmp_path / "b.mp4") if not check.passed}
    assert "output bytes" in failed
    for name, at in (("one.png", 1), ("two.png", 5)):
        vsr.still(source, tmp_path / name, **_STILL | {"at": at})
    shutil.copy(tmp_path / "one.png.vsr.json", tmp_path / "two.png.vsr.json")
    failed = {check.what: check.detail for check in vsr.verify(tmp_path / "two.png") if not check.passed}
    assert list(failed) == ["output bytes"]
    assert "two.png" in failed["output bytes"]


def test_a_still_of_images(source: Path, tmp_path: Path) -> None:
    vsr.export_frames(source, tmp_path / "frames" / "%03d.png")
    for given in (tmp_path / "frames", tmp_path / "frames" / "%03d.png"):
        output = tmp_path / "out.png"
        vsr.still(given, output, **_STILL, overwrite=True)
        assert "identical bytes" in _again(output).detail
    victim = tmp_path / "frames" / "005.png"
    image = np.asarray(scene(1, 64, 48)[0])
    from PIL import Image

    Image.fromarray(image).save(victim)
    failed = {check.what: check.detail for check in vsr.verify(tmp_path / "out.png") if not check.passed}
    assert list(failed) == ["input"]
    assert "1 of the 6 frames looked at differ: 5" in failed["input"]
