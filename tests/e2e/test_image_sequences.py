"""Image sequences out and back in: every image, every time, the sound beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from outputs import check_copied, check_times, decoded_times
from plain_reader import first_frames, read_plain

import vsr
from vsr.media.planes import fingerprint, planes_of

Clips = Callable[[str], Path]
pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("extension", ["png", "tiff", "dpx", "exr"])
def test_image_sequences_out_and_back_in(
    run: Any, clips: Clips, tmp_path: Path, extension: str, quick: dict[str, Any]
) -> None:
    output, manifest = run("vfr", extension, scale=1)
    folder = output.parent
    source = decoded_times(clips("vfr"))
    names = sorted(path.name for path in folder.iterdir())
    images = [f"{number:06d}.{extension}" for number in range(90)]
    assert names == sorted([*images, "timing.json", "streams.mkv"])
    timing = json.loads((folder / "timing.json").read_text())
    assert [pts * Fraction(timing["time_base"]) for pts in timing["pts"]] == source
    check_copied(read_plain(clips("vfr")), read_plain(folder / "streams.mkv"), "audio")
    assert manifest["output"]["files"].keys() == set(names)
    assert (tmp_path / f"frames-{extension}.vsr.json").is_file()

    back = tmp_path / "back.mp4"
    fmt = {"pix_fmt": "yuv420p", "speed": "ultrafast", "crf": 4, "scale": 1, "drop_streams": True}
    if extension == "exr":
        fmt["codec"] = "h264"
    vsr.upscale(folder, back, settings={"method": "lanczos"} | fmt)
    check_times(source, back)
    given, got = first_frames(clips("vfr")), first_frames(back)
    for a, b in zip(given[::30], got[::30], strict=True):
        luma_a, luma_b = (planes_of(frame)[0].astype(float) for frame in (a, b))
        assert np.abs(luma_a - luma_b).mean() < 3, "range or matrix went wrong on the way through RGB"


def test_rgb_survives_an_image_sequence_bit_for_bit(run: Any, clips: Clips, tmp_path: Path) -> None:
    output, _ = run("rgb", "png", scale=1)
    back = tmp_path / "back.mkv"
    vsr.upscale(output.parent, back, settings={"method": "lanczos", "scale": 1, "codec": "ffv1"})
    given, got = first_frames(clips("rgb")), first_frames(back)
    assert [fingerprint(planes_of(f)) for f in got] == [fingerprint(planes_of(f)) for f in given]


def test_plain_images_need_a_rate(run: Any, tmp_path: Path, quick: dict[str, Any]) -> None:
    output, _ = run("plain", "png", scale=1)
    (output.parent / "timing.json").unlink()
    with pytest.raises(vsr.UsageError, match="--fps"):
        vsr.upscale(output.parent, tmp_path / "b.mp4", settings=quick)
    given = quick | {"fps": "30000/1001", "pix_fmt": "yuv420p"}
    vsr.upscale(output.parent / "%06d.png", tmp_path / "b.mp4", settings=given)
    times = decoded_times(tmp_path / "b.mp4")
    assert times == [n * Fraction(1001, 30000) for n in range(30)]


def test_a_rate_beside_known_times_is_said_to_mean_nothing(
    run: Any, clips: Clips, tmp_path: Path, quick: dict[str, Any]
) -> None:
    output, _ = run("plain", "png", scale=1)
    [done] = vsr.upscale(output.parent, tmp_path / "b.mp4", settings=quick | {"fps": "5", "pix_fmt": "yuv420p"})
    assert done.manifest is not None
    assert "fps 5 means nothing to images with timing.json, which tells their times" in done.manifest["assumptions"]
    check_times(decoded_times(clips("plain")), tmp_path / "b.mp4")


@pytest.mark.parametrize("rate", [25, "25"])
def test_single_images_of_a_camera_are_videos_too(tmp_path: Path, quick: dict[str, Any], rate: int | str) -> None:
    """A JPEG file of more than the few bytes at which FFmpeg still knows it from a numbered sequence."""
    image = tmp_path / "0.jpg"
    image.write_bytes(cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))[1])
    vsr.upscale(image, tmp_path / "single.mp4", settings=quick)
    vsr.upscale(tmp_path / "%d.jpg", tmp_path / "one.mp4", settings=quick | {"fps": rate})
    single, one = (first_frames(tmp_path / name)[0] for name in ("single.mp4", "one.mp4"))
    assert fingerprint(planes_of(single)) == fingerprint(planes_of(one))


def test_a_missing_image_is_named(run: Any, tmp_path: Path, quick: dict[str, Any]) -> None:
    output, _ = run("plain", "png", scale=1)
    (output.parent / "timing.json").unlink()
    (output.parent / "000013.png").unlink()
    with pytest.raises(vsr.InputError, match="image 13 is missing"):
        vsr.upscale(output.parent, tmp_path / "b.mp4", settings=quick | {"fps": "25"})
