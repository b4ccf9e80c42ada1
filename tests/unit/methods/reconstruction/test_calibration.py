"""Blur and weighing found from the first frames of a shot, and what a restorer makes of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import NOT_ADAPTED, Adaptation, Geometry
from vsr.methods.reconstruction import calibration
from vsr.methods.reconstruction.calibration import (
    CALIBRATION_FRAMES,
    choose_weighing,
    find_psf,
    fine_detail,
    is_at_rest,
)
from vsr.methods.reconstruction.multi_frame import MultiFrame, PreparedMultiFrame
from vsr.methods.reconstruction.options import MultiFrameOptions
from vsr.methods.reconstruction.weighing import ANCHORED, EVEN
from vsr.observation import GaussianBlur, simulate

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
data = pytest.importorskip("skimage.data", reason="scikit-image, whose photographs are shown, is not installed")

CPU = torch.device("cpu")
GRAY = PixelLayout("grayf32le", "gray", 32, is_float=True)
SCALE, SIDE = 4, 64
PLACES = ((60, 60), (61, 62), (63, 61), (62, 63), (65, 66), (66, 63))  # of the frames, in pixels of the photograph


@cache
def _photograph(name: str, blur: float) -> Tensor:
    colours = np.asarray(getattr(data, name)(), dtype=np.float32) / 255
    gray = colours @ np.array([0.299, 0.587, 0.114], np.float32) if colours.ndim == 3 else colours
    return GaussianBlur(blur, blur).A(torch.from_numpy(gray))


def _shot(name: str = "astronaut", degradation: str = "camera", blur: float = 0.0, count: int = 5) -> list[Tensor]:
    """Frames of a photograph that moves by quarters of a pixel, blurred before it is degraded."""
    scene, size = _photograph(name, blur), SCALE * SIDE
    parts = [scene[y : y + size, x : x + size].contiguous() for y, x in PLACES[:count]]
    return [simulate(part, degradation, SCALE).clamp(0, 1) for part in parts]


@pytest.mark.parametrize(
    ("degradation", "blur", "expected"),
    [("BI", 0.0, 0.36), ("BD", 0.0, 0.4), ("camera", 0.0, 0.45), ("camera", 1.0, 0.515)],
)
def test_known_blur_is_found(degradation: str, blur: float, expected: float) -> None:
    """The blur before and that of the camera add up: 0.45² + (1/4)² = 0.515². Too wide costs less than too narrow."""
    found = find_psf(_shot("astronaut", degradation, blur))
    assert found is not None
    assert 0.92 * expected < found < 1.15 * expected


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee"])
def test_blurrier_frames_are_found_blurrier(name: str) -> None:
    found = [find_psf(_shot(name, blur=blur, count=3)) for blur in (0.0, 0.7, 1.1)]
    assert None not in found
    assert found == sorted(found)
    assert found[2] > found[0] + 0.04


def test_what_is_found_is_a_cameras_blur() -> None:
    assert find_psf(_shot(blur=6.0)) == 0.6
    striking = (torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    assert find_psf([striking, striking]) == 0.38


@pytest.mark.parametrize(("estimated_px", "sample_weights"), [(0.1, None), (0.24, None), (0.26, 0.38), (0.9, 0.6)])
def test_what_no_camera_has_is_not_trusted(
    estimated_px: float, sample_weights: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "estimate_psf", lambda observed, start: estimated_px * 4)
    assert find_psf(_shot(count=2)) == sample_weights


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_tell_nothing(level: float) -> None:
    assert find_psf([torch.full((SIDE, SIDE), level)] * 3) is None


def test_images_too_small_tell_nothing() -> None:
    small = torch.rand(11, 40, generator=torch.Generator().manual_seed(0))
    assert find_psf([small] * 3) is None


def test_one_frame_is_a_shot_too() -> None:
    found = find_psf(_shot(count=1))
    assert found is not None
    assert 0.38 <= found <= 0.6


def test_frames_of_another_scene_hardly_matter() -> None:
    shot = _shot(count=5)
    strange = _shot("coffee", count=1)
    assert find_psf([*strange, *shot[1:]]) == pytest.approx(find_psf(shot), abs=0.03)


def _frames(lumas: list[Tensor]) -> list[VideoFrame]:
    return [VideoFrame((luma,), GRAY, ColorSpec(), i, i, Fraction(1)) for i, luma in enumerate(lumas)]


def _restorer(width: int = SIDE, height: int = SIDE, out_scale: int = 2, **options: object) -> MultiFrame:
    geometry = Geometry(width, height, out_scale * width, out_scale * height)
    return MultiFrame(geometry, replace(MultiFrameOptions(), **options), CPU)


def _assumed(restorer: MultiFrame, frames: list[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> float:
    return next(restorer.restore(frames, adaptation)).findings["psf_sigma_px"]


def test_the_blur_of_a_shot_is_assumed() -> None:
    frames, restorer = _frames(_shot("coffee", blur=1.0, count=3)), _restorer(quality="draft")
    found = find_psf([frame.planes[0] for frame in frames])
    assert found is not None
    assert _assumed(restorer, frames, restorer.adapt(frames)) == found != _assumed(restorer, frames)


def test_shots_are_calibrated_afresh() -> None:
    """What one shot showed has no part in the next: the restorer stays as it was."""
    first, second = _frames(_shot(count=3)), _frames(_shot(blur=1.0, count=3))
    restorer = _restorer(quality="draft")
    alone = _assumed(restorer, second, restorer.adapt(second))
    restorer.adapt(first)
    assert _assumed(restorer, second, restorer.adapt(second)) == alone


@pytest.mark.parametrize("options", [{"psf_sigma_px": 0.5}, {"degradation": "camera"}])
def test_a_given_blur_is_not_looked_for(options: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "vsr.methods.reconstruction.calibration.find_psf", lambda lumas: pytest.fail("the blur is known")
    )
    restorer = _restorer(**options)
    frames = _frames(_shot(count=5))
    assert _assumed(restorer, frames, restorer.adapt(frames)) == options.get("psf_sigma_px", 0.45)


@pytest.mark.parametrize("degradation", ["BI", "BD"])
def test_a_known_degradation_needs_no_calibration(degradation: Literal["BI", "BD"]) -> None:
    assert PreparedMultiFrame(MultiFrameOptions(degradation=degradation), "cpu").capabilities.adapt_frames == 0


def _sharpened(shot: list[Tensor]) -> list[Tensor]:
    """As cheap cameras do: edges with halos as strong as they are."""
    return [(frame + 1.5 * (frame - GaussianBlur(0.8, 0.8).A(frame))).clamp(0, 1) for frame in shot]


def _aliased(count: int = 9) -> list[Tensor]:
    """Point samples of a photograph that moves by quarters of a pixel, sharpened."""
    scene, size = _photograph("camera", 0.0), SCALE * 96
    steps = [(2 * n % 7, 3 * n % 5) for n in range(count)]
    return _sharpened([scene[100 + y : 100 + y + size : SCALE, 90 + x : 90 + x + size : SCALE] for y, x in steps])


def test_frames_that_show_their_own_grid_do_not_lead() -> None:
    """Point samples, sharpened: every frame alone misleads. Frames of a usual camera of the same scene do not."""
    assert choose_weighing(_aliased(), None) is EVEN
    scene, size = _photograph("camera", 0.0), SCALE * 96
    steps = [(2 * n % 7, 3 * n % 5) for n in range(9)]
    usual = [
        simulate(scene[100 + y : 100 + y + size, 90 + x : 90 + x + size].contiguous(), "camera", SCALE)
        for y, x in steps
    ]
    assert choose_weighing(usual, None) is ANCHORED


def test_the_weighing_is_the_shots_and_is_a_finding() -> None:
    frames = _frames(_aliased())
    restorer = _restorer(96, 96, quality="draft")
    adaptations = (NOT_ADAPTED, restorer.adapt(frames))
    weighted = [next(restorer.restore(frames, learnt)).findings["evenly_weighted"] for learnt in adaptations]
    assert weighted == [0.0, 1.0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_frames_choose_nothing(count: int) -> None:
    assert choose_weighing(_aliased(count), None) is ANCHORED


def test_flat_or_unrelated_frames_choose_nothing() -> None:
    assert choose_weighing([torch.full((SIDE, SIDE), 0.5)] * 9, None) is ANCHORED
    noise = torch.Generator().manual_seed(0)
    assert choose_weighing([torch.rand(SIDE, SIDE, generator=noise) for _ in range(9)], None) is ANCHORED


def test_unknown_blur_leaves_the_restorer_as_it_is() -> None:
    restorer = _restorer()
    assert PreparedMultiFrame(MultiFrameOptions(), "cpu").capabilities.adapt_frames == CALIBRATION_FRAMES
    assert restorer.adapt([]) == NOT_ADAPTED
    flat = _frames([torch.full((SIDE, SIDE), 0.5)] * 3)
    assert _assumed(restorer, flat, restorer.adapt(flat)) == _assumed(restorer, flat)
    assert _restorer(20, 20).adapt(_frames([torch.rand(20, 20)] * 3)) == NOT_ADAPTED


def test_fine_detail_is_what_two_pixels_cannot_hold() -> None:
    """A pattern of single pixels is lost whole, a slow wave hardly at all."""
    single = 0.5 + 0.1 * torch.tensor([1.0, -1.0]).repeat(32)[None, :].expand(64, 64)
    slow = 0.5 + 0.1 * torch.sin(torch.arange(64) * (2 * np.pi / 32))[None, :].expand(64, 64)
    assert fine_detail([single, single]) == pytest.approx(25.5, rel=0.05)
    assert fine_detail([slow]) < 0.3
    assert fine_detail([torch.full((25, 31), 0.4)]) < 0.01


def test_blurred_frames_have_less_fine_detail() -> None:
    sharp, blurred = (fine_detail(_shot("astronaut", blur=blur, count=2)) for blur in (0.0, 3.0))
    assert blurred < 0.7 * sharp


def _seen_from(step_px: float, *, passes: bool = False) -> list[Tensor]:
    """Nine frames of a photograph, shrunk by 2, that moves by ``step_px`` a frame; a disc may pass in front."""
    large = _photograph("astronaut", 1.0)[:300, :400].numpy()
    rng = np.random.default_rng(0)
    frames = []
    for number in range(CALIBRATION_FRAMES):
        shift = np.array([[1, 0, -2 * step_px * number], [0, 1, 0]], np.float32)
        image = cv2.warpAffine(large, shift, (400, 300), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        if passes:
            cv2.circle(image, (60 + 20 * number, 150), 60, 0.9, -1)
        small = cv2.resize(image, (200, 150), interpolation=cv2.INTER_AREA)
        frames.append(torch.from_numpy(small + rng.normal(0, 0.5 / 255, small.shape).astype(np.float32)))
    return frames


@pytest.mark.parametrize(("step_px", "passes", "expected"), [(0, False, True), (0, True, True), (0.1, False, False)])
def test_a_camera_at_rest_is_recognised(step_px: float, passes: bool, expected: bool) -> None:
    assert is_at_rest(_seen_from(step_px, passes=passes)) is expected


def test_one_frame_alone_tells_nothing_of_rest() -> None:
    assert not is_at_rest([torch.rand(40, 40)])
    assert not is_at_rest([torch.rand(8, 8)] * 3)
