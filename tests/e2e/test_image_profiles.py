"""ICC profiles of images and videos are kept, or named before the work."""

from __future__ import annotations

import functools
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_runs import dropped_by
from PIL import Image, ImageCms
from program import Run
from videos import ffmpeg, scene

from vsr.media.images import read_samples

Call = Callable[..., Run]


@functools.cache  # it holds the second in which it is made
def _profile(space: str) -> bytes:
    """Pillow's sRGB, said to be for samples of ``space``."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[16:20] = space.ljust(4).encode()
    return bytes(data)


def _images(folder: Path, suffix: str, *, space: str = "RGB", mode: str = "RGB", count: int = 3) -> Path:
    folder.mkdir()
    for number, image in enumerate(scene(count, 48, 32), 1):
        Image.fromarray(image).convert(mode).save(folder / f"{number:04d}.{suffix}", icc_profile=_profile(space))
    return folder


@pytest.mark.parametrize("target", ["png", "tif"])
@pytest.mark.parametrize("source", ["png", "tif", "jpg"])
def test_a_profile_goes_from_image_to_image(tmp_path: Path, quick: dict[str, Any], source: str, target: str) -> None:
    folder = _images(tmp_path / "in", source)
    assert not dropped_by(folder, tmp_path / "out" / f"%04d.{target}", quick, fps="25")
    for number in range(1, 4):
        path = tmp_path / "out" / f"{number:04d}.{target}"
        if target == "png" and source != "jpg":  # 16-bit RGB is more than Pillow reads
            with Image.open(path) as image:
                assert image.info["icc_profile"] == _profile("RGB")
        assert _profile("RGB") in _inflated(path)
        if source != "jpg":
            given = read_samples(folder / f"{number:04d}.{source}")
            assert all(np.array_equal(a, b) for a, b in zip(given, read_samples(path), strict=True))


def _inflated(path: Path) -> bytes:
    """An image's bytes, the profile of a PNG unpacked by Pillow."""
    data = path.read_bytes()
    if path.suffix != ".png":
        return data
    place = data.index(b"iCCP")
    size = int.from_bytes(data[place - 4 : place], "big")
    assert not [kind for kind in (b"cICP", b"sRGB", b"gAMA", b"cHRM") if kind in data[:200]], "one word on colour alone"
    return zlib.decompress(data[place + 4 : place + 4 + size].partition(b"\0")[2][1:])


def test_grey_profiles_stay_with_grey_and_are_named_elsewhere(tmp_path: Path, quick: dict[str, Any]) -> None:
    """A sister: a profile for other samples than those written would be wrong."""
    folder = _images(tmp_path / "in", "png", space="GRAY", mode="L")
    assert not dropped_by(folder, tmp_path / "grey" / "%04d.png", quick, fps="25")
    with Image.open(tmp_path / "grey" / "0001.png") as image:
        assert (image.mode, image.info["icc_profile"]) == ("L", _profile("GRAY"))
    [said] = dropped_by(folder, tmp_path / "rgb" / "%04d.png", quick, fps="25", pix_fmt="gbrp")
    assert said.endswith("it is for GRAY samples, these are rgb")
    with Image.open(tmp_path / "rgb" / "0001.png") as image:
        assert "icc_profile" not in image.info


@pytest.mark.parametrize("extension", ["mkv", "mov", "mp4"])
def test_videos_name_it_before_the_work(call: Call, tmp_path: Path, extension: str) -> None:
    folder = _images(tmp_path / "in", "png")
    done = call("upscale", folder, "-o", tmp_path / f"out.{extension}", "--fps", 25, "--dry-run", "-q")
    assert "does not take it over; png, tiff and webp images do" in done.out


def test_a_profile_inside_a_video_reaches_images(call: Call, tmp_path: Path) -> None:
    """A sister: PNG in MOV, out of which frames are exported."""
    folder = _images(tmp_path / "in", "png")
    ffmpeg("-framerate", "25", "-i", str(folder / "%04d.png"), "-c", "copy", str(tmp_path / "in.mov"))
    assert call("frames", tmp_path / "in.mov", "-o", tmp_path / "f" / "%03d.png").code == 0
    with Image.open(tmp_path / "f" / "002.png") as image:
        assert image.info["icc_profile"] == _profile("RGB")


def test_images_that_disagree_are_named(call: Call, tmp_path: Path) -> None:
    folder = _images(tmp_path / "in", "png")
    with Image.open(folder / "0002.png") as image:
        image.copy().save(folder / "0002.png", icc_profile=None)
    done = call("upscale", folder, "-o", tmp_path / "out" / "%04d.png", "--fps", 25, "--dry-run", "-q")
    assert "ICC profile (not the same in all images): it is not taken over" in done.out


def test_a_still_keeps_the_profile(call: Call, tmp_path: Path) -> None:
    folder = _images(tmp_path / "in", "png", count=5)
    done = call("still", folder, "-o", tmp_path / "still.png", "--at", 2, "--fps", 25, "--scale", 1, "-q")
    assert done.code == 0, done.err
    assert _inflated(tmp_path / "still.png") == _profile("RGB")


@pytest.mark.parametrize("cut", [30, 60, 200])
def test_a_broken_profile_breaks_nothing(call: Call, tmp_path: Path, cut: int) -> None:
    folder = _images(tmp_path / "in", "tif")
    for path in folder.iterdir():
        data = bytearray(path.read_bytes())
        place = data.index(_profile("RGB")[:40])
        data[place + cut - 30 : place + cut] = bytes(30)
        path.write_bytes(bytes(data))
    done = call("upscale", folder, "-o", tmp_path / "o" / "%04d.png", "--fps", 25, "--method", "bicubic", "-q")
    assert done.code == 0, done.err


def test_profiles_are_found_in_bytes_as_in_files(tmp_path: Path) -> None:
    from vsr.media.icc import find_profile, profile_of_file

    for suffix in ("png", "tif", "jpg"):
        path = _images(tmp_path / suffix, suffix, count=1) / f"0001.{suffix}"
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            requested = image.info["icc_profile"]
        found = profile_of_file(path)
        assert found == find_profile(path.read_bytes())
        assert found is not None
        assert (found.profile, found.space) == (requested, "RGB")
