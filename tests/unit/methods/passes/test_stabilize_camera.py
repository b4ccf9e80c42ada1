"""Scenes that are known everywhere, seen through a lens and row by row, come back as a pinhole camera has them."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import PASSES, Geometry, restore_shot
from vsr.methods.passes.stabilize import StabilizeOptions
from vsr.registration import register

GRAY = PixelLayout("gray", "gray", 8)
HEIGHT, WIDTH, COUNT = 96, 128, 34
MIDDLE = ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
BARREL = (110.0, -0.25, 0.06, 1e-3, -1e-3)
FISHEYE = (75.0, 0.03, -0.01, 0.0, 0.0)
MATRIX = {lens: np.array([[lens[0], 0, MIDDLE[0]], [0, lens[0], MIDDLE[1]], [0, 0, 1]]) for lens in (BARREL, FISHEYE)}


def _scene(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Waves of 7 to 40 pixels, in codes."""
    rng = np.random.default_rng(11)
    image = np.full(x.shape, 120.0)
    for angle, length, phase in zip(*rng.uniform(0, 1, (3, 40)), strict=True):
        down, right = math.sin(math.tau * angle), math.cos(math.tau * angle)
        image += 9 * np.sin(math.tau * ((down * y + right * x) / (7 + 33 * length) + phase))
    return image


def _seen(lens: tuple[float, ...] | None = None, fisheye: bool = False) -> tuple[Any, Any]:
    """Where a pinhole camera shows what each pixel shows, by OpenCV; ``(H, W)`` x and y."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    if lens is None:
        return x, y
    points, matrix, coefficients = np.stack([x, y], -1).reshape(-1, 1, 2), MATRIX[lens], np.array(lens[1:])
    if fisheye:
        found = cv2.fisheye.undistortPoints(points, matrix, coefficients, P=matrix)
    else:
        criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 60, 1e-12)
        found = cv2.undistortPoints(points, matrix, coefficients, None, None, matrix, criteria)
    return found[:, 0, 0].reshape(HEIGHT, WIDTH), found[:, 0, 1].reshape(HEIGHT, WIDTH)


def _frames(path: Any, readout: float = 0.0, **lens: Any) -> list[VideoFrame]:
    """``path``: from a time in frames to the camera's place, x and y."""
    x, y = _seen(**lens)
    frames = []
    for number in range(COUNT):
        time = number + readout * ((np.arange(HEIGHT) + 0.5) / HEIGHT - 0.5)
        off_x, off_y = path(time)
        codes = _scene(x + np.reshape(off_x, (-1, 1)), y + np.reshape(off_y, (-1, 1)))
        codes += 0.5 * np.random.default_rng(number).standard_normal(codes.shape)
        plane = torch.from_numpy(codes.round().clip(0, 255).astype(np.uint8))
        frames.append(VideoFrame((plane,), GRAY, ColorSpec(), number, number, Fraction(1, 25)))
    return frames


def _still(time: Any) -> tuple[Any, Any]:
    return 0 * time, 0 * time


def _shake(time: Any) -> tuple[Any, Any]:
    """A hand: 2 pixels across, 1.2 down, about once and twice a second at 25 frames."""
    return 2.0 * np.sin(math.tau * time / 16), 1.2 * np.sin(math.tau * time / 11 + 1)


def _restored(frames: list[VideoFrame], **options: Any) -> list[VideoFrame]:
    geometry = Geometry(WIDTH, HEIGHT, WIDTH, HEIGHT)
    prepared = PASSES["stabilize"].prepare(geometry, StabilizeOptions(**options), "cpu")
    return list(restore_shot(prepared, geometry, frames))


def _places(frames: list[VideoFrame], part: slice) -> np.ndarray[Any, Any]:
    """``(T, 2)`` places of the scene in rows ``part`` of each frame, x and y, by registration to the scene."""
    x, y = _seen()
    reference = torch.from_numpy(_scene(x, y)).float()[part, 16:-16] / 255
    found = [register(reference, frame.planes[0].float()[part, 16:-16] / 255) for frame in frames]
    assert all(one.converged for one in found)
    return np.array([(one.shift_yx[1], one.shift_yx[0]) for one in found])


def _rms(places: np.ndarray[Any, Any]) -> float:
    return float(np.sqrt(np.square(np.diff(places, 2, 0)).sum(1).mean() / 6))


@pytest.mark.parametrize(("lens", "fisheye"), [(BARREL, False), (FISHEYE, True)])
def test_distortion_goes(lens: tuple[float, ...], fisheye: bool) -> None:
    frames = _frames(_still, lens=lens, fisheye=fisheye)[:3]
    x, y = _seen()
    expected, inner = _scene(x, y), (slice(6, -6), slice(6, -6))
    before = np.abs(frames[1].planes[0].numpy() - expected)[inner].mean()
    for options in ({"model": "none"}, {}):
        made = _restored(frames, lens=lens, fisheye=fisheye, **options)
        after = np.abs(made[1].planes[0].numpy() - expected)[inner].mean()
        assert before > 12
        assert after < 1.2, "half a code of noise, interpolated"
    if fisheye:
        return
    corners = [(slice(4, 36), slice(4, 40)), (slice(-36, -4), slice(-40, -4))]
    for part in corners:
        place = register(torch.from_numpy(expected).float()[part] / 255, made[1].planes[0][part] / 255)
        assert max(map(abs, place.shift_yx)) < 0.1


def test_jumps_behind_a_lens_go() -> None:
    jumps = 0.8 * np.random.default_rng(4).standard_normal((2, COUNT))

    def path(time: Any) -> tuple[Any, Any]:
        place = round(float(np.mean(time)))
        return jumps[0][place], jumps[1][place]

    frames = _frames(path, lens=BARREL)
    made = _restored(frames, lens=BARREL)
    plain = _restored(_frames(path))
    part = slice(8, -8)
    before, after = _rms(_places(_frames(path), part)), _rms(_places(made, part))
    assert before > 0.8
    assert after < before / 20
    assert after < 0.1
    assert after < 1.5 * _rms(_places(plain, part)) + 0.01


@pytest.mark.parametrize("readout", [0.8, -0.8])
def test_rows_read_one_after_the_other_stand_upright_again(readout: float) -> None:
    frames = _frames(_shake, readout)
    top, bottom = slice(4, 36), slice(-36, -4)

    def lean(made: list[VideoFrame]) -> float:
        return float(np.sqrt(np.square(_places(made, top) - _places(made, bottom))[8:-8].sum(1).mean()))

    leaning, upright = _restored(frames), _restored(frames, readout=readout)
    assert lean(frames) > 0.3
    assert lean(leaning) > 0.3, "shifts alone leave it"
    assert lean(upright) < min(0.1, lean(leaning) / 4)


def test_calibrations_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "camera.yml"
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    file.write("image_width", 2 * WIDTH)
    file.write("image_height", 2 * HEIGHT)
    centre = [2 * MIDDLE[0] + 0.5, 2 * MIDDLE[1] + 0.5]
    file.write("camera_matrix", np.array([[220.0, 0, centre[0]], [0, 220, centre[1]], [0, 0, 1]]))
    file.write("distortion_coefficients", np.array(BARREL[1:]))
    file.release()
    frames = _frames(_still, lens=BARREL)[:2]
    by_file, by_numbers = (
        _restored(frames, model="none", **one) for one in ({"calibration": str(path)}, {"lens": BARREL})
    )
    assert float((by_file[0].planes[0] - by_numbers[0].planes[0]).abs().max()) < 1e-3, "calibrated at twice the size"
    wide = Geometry(2 * WIDTH, HEIGHT, 2 * WIDTH, HEIGHT)
    with pytest.raises(UsageError, match="another shape"):
        PASSES["stabilize"].prepare(wide, StabilizeOptions(calibration=str(path)), "cpu")
    with pytest.raises(UsageError, match="cannot be read"):
        PASSES["stabilize"].prepare(wide, StabilizeOptions(calibration=str(tmp_path / "none.yml")), "cpu")
    with pytest.raises(UsageError, match="cannot be read"):
        PASSES["stabilize"].prepare(wide, StabilizeOptions(calibration="~nosuchuser/camera.yml"), "cpu")


@pytest.mark.parametrize(
    "wrong",
    [
        {"readout": 1.5},
        {"lens": (1.0, 0.0)},
        {"model": "none", "readout": 0.5},
        {"lens": BARREL, "calibration": "x"},
        {"fisheye": True},
        {"fisheye": True, "calibration": "x"},
    ],
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong)) if "model" not in wrong else "readout"):
        StabilizeOptions(**wrong)
    with pytest.raises(UsageError, match="without a lens"):
        PASSES["stabilize"].prepare(Geometry(64, 64, 64, 64), StabilizeOptions(model="none"), "cpu")
