"""One image from registered frames: what neighbours bring, what they must not do, and borders of the method.

Frames are photographs moved by whole pixels of the photograph, so motion and ground truth are known exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import Tensor

from vsr.methods.reconstruction import reconstruct as module
from vsr.methods.reconstruction.reconstruct import (
    Imaging,
    Neighbour,
    Reconstruction,
    Start,
    carried,
    observe,
    reconstruct,
    video_solver,
)
from vsr.methods.reconstruction.weighing import ANCHORED
from vsr.observation import reading_blur, resample, simulate
from vsr.registration import FlowPair
from vsr.solvers import find_solver
from vsr.solvers.huber_btv import HuberBtvOptions

data = pytest.importorskip("skimage.data", reason="scikit-image, whose photographs are shown, is not installed")

SCALE, SIDE, TOP, LEFT = 2, 40, 100, 180
SHIFTS = ((1, 0), (0, 1), (1, 1), (3, 2))  # of the neighbours, in pixels of the photograph


@cache
def _photograph() -> Tensor:
    return torch.from_numpy(np.asarray(data.camera(), dtype=np.float32) / 255)


def _hr(shift: tuple[int, int] = (0, 0), height: int = SIDE, width: int = SIDE) -> Tensor:
    top, left = TOP + shift[0], LEFT + shift[1]
    return _photograph()[top : top + SCALE * height, left : left + SCALE * width].contiguous()


def _frame(shift: tuple[int, int] = (0, 0), height: int = SIDE, width: int = SIDE) -> Tensor:
    return simulate(_hr(shift, height, width), "camera", SCALE)


def _motion(shift: tuple[float, float], height: int = SIDE, width: int = SIDE) -> FlowPair:
    flow = torch.tensor(shift)[:, None, None].expand(2, height, width) / SCALE
    return FlowPair(flow.contiguous(), -flow)


def _neighbours(height: int = SIDE, width: int = SIDE) -> list[Neighbour]:
    return [Neighbour(_frame(shift, height, width), _motion(shift, height, width)) for shift in SHIFTS]


def _imaging(height: int = SIDE, width: int = SIDE) -> Imaging:
    blur = reading_blur((0.45 * SCALE, 0.45 * SCALE), (SCALE, SCALE))
    return Imaging((SCALE * height, SCALE * width), (float(SCALE), float(SCALE)), blur, 0.0)


def _reconstruct(
    luma: Tensor, neighbours: Sequence[Neighbour], *, rounds: int = 3, cg_iterations: int = 8
) -> Reconstruction:
    imaging = _imaging(*luma.shape)
    options = HuberBtvOptions(radius=1, alpha=0.6, outer_iterations=1, cg_iterations=cg_iterations)
    solve = partial(find_solver("huber-btv"), options=options)
    start = Start(imaging.enlarged(luma))
    return reconstruct(luma, neighbours, start, imaging, solve, rounds=rounds, unrefined_rounds=1)


def _strange() -> list[Neighbour]:
    """Another scene, whose motion is claimed to be known."""
    generator = torch.Generator().manual_seed(0)
    scenes = [resample(torch.rand(12, 12, generator=generator), (SIDE, SIDE)).clamp(0, 1) for _ in SHIFTS]
    return [Neighbour(scene, _motion(shift)) for scene, shift in zip(scenes, SHIFTS, strict=True)]


def _rms(a: Tensor, b: Tensor) -> float:
    return float((a - b)[6:-6, 6:-6].square().mean().sqrt())


def test_a_frame_alone_is_sharpened_and_neighbours_bring_detail() -> None:
    luma = _frame()
    plain, alone, together = _imaging().enlarged(luma), _reconstruct(luma, []), _reconstruct(luma, _neighbours())
    assert _rms(alone.image, _hr()) < 0.9 * _rms(plain, _hr())
    assert _rms(together.image, _hr()) < 0.75 * _rms(alone.image, _hr())
    assert (alone.frames_used, alone.sample_spread_px) == (1.0, 0.0)
    assert together.frames_used > 4
    assert together.sample_spread_px == pytest.approx((3 * 0.5 + 0.5**0.5) / 4, abs=0.05)


def test_motion_that_is_a_little_off_is_refined() -> None:
    wrong = [Neighbour(n.luma, FlowPair(n.motion.forward + 0.12, n.motion.backward - 0.12)) for n in _neighbours()]
    exact, found = (_rms(_reconstruct(_frame(), n).image, _hr()) for n in (_neighbours(), wrong))
    assert found < 1.15 * exact


def test_another_scene_changes_little() -> None:
    luma = _frame()
    alone, among = _reconstruct(luma, []), _reconstruct(luma, _strange())
    assert _rms(alone.image, among.image) < 0.012
    assert among.frames_used < 1.8


def test_among_good_neighbours_another_scene_does_not_show() -> None:
    luma = _frame()
    good, mixed = _reconstruct(luma, _neighbours()), _reconstruct(luma, [*_neighbours(), *_strange()])
    assert _rms(good.image, mixed.image) < 0.003


def test_brighter_neighbours_are_matched() -> None:
    flickering = [Neighbour(0.8 * n.luma + 0.1, n.motion) for n in _neighbours()]
    steady, matched = (_reconstruct(_frame(), n).image for n in (_neighbours(), flickering))
    assert (steady - matched).abs().max() < 0.01


def test_neighbours_are_distrusted_where_their_motion_is() -> None:
    """Backward motion that does not lead back, left half only."""
    motion = _motion(SHIFTS[0])
    motion.backward[:, :, : SIDE // 2] += 3
    observed, _ = observe(_frame(), [Neighbour(_frame(SHIFTS[0]), motion)], _imaging())
    assert observed.confidence is not None
    assert observed.confidence[1, :, : SIDE // 2 - 2].max() < 1e-6
    assert observed.confidence[1, 2:-2, SIDE // 2 + 2 : -2].median() > 0.7


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("count", [0, 2])
def test_images_of_one_level_stay(level: float, count: int) -> None:
    luma = torch.full((SIDE, SIDE), level)
    made = _reconstruct(luma, [Neighbour(luma, _motion(shift)) for shift in SHIFTS[:count]])
    assert (made.image - level).abs().max() < 1e-4
    assert made.noise_sigma > 0


def test_saturated_images_stay_finite() -> None:
    luma, *others = ((_frame(shift) > 0.5).float() for shift in ((0, 0), *SHIFTS))
    neighbours = [Neighbour(other, _motion(shift)) for other, shift in zip(others, SHIFTS, strict=True)]
    image = _reconstruct(luma, neighbours).image
    assert bool(torch.isfinite(image).all())
    assert image.min() > -0.5
    assert image.max() < 1.5


def test_strips_make_little_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each strip takes conjugate-gradient steps of its own; that is all, and less the more steps there are."""
    height, width = 150, 24
    luma, neighbours = _frame((0, 0), height, width), _neighbours(height, width)
    differences = []
    for cg_iterations in (8, 60):
        images = []
        for pixels in (1 << 21, 1):
            monkeypatch.setattr(module, "_STRIP_PIXELS", pixels)
            images.append(_reconstruct(luma, neighbours, rounds=1, cg_iterations=cg_iterations).image)
        differences.append((images[0] - images[1]).abs())
    assert 0 < differences[0].max() < 0.01
    assert differences[0].mean() < 5e-4
    assert differences[1].mean() < 0.2 * differences[0].mean()


def test_the_previous_image_is_carried_on_by_the_motion() -> None:
    previous = _hr((2, 3))  # what the image shows at p, the previous one shows at p - shift
    start = carried(previous, _motion((-2.0, -3.0)), _frame(), _imaging(), _imaging().enlarged(_frame()))
    assert _rms(start.image, _hr()) < 0.25 * _rms(_imaging().enlarged(_frame()), _hr())
    assert start.weight is not None
    assert start.weight[8:-8, 8:-8].median() > 0.8


def test_a_carried_image_takes_on_the_brightness() -> None:
    start = carried(0.8 * _hr() + 0.05, _motion((0, 0)), _frame(), _imaging(), _imaging().enlarged(_frame()))
    assert _rms(start.image, _hr()) < 0.002


def test_where_the_motion_leads_nowhere_nothing_is_carried() -> None:
    lost = FlowPair(torch.zeros(2, SIDE, SIDE), torch.full((2, SIDE, SIDE), 3.0))
    start = carried(_hr(), lost, _frame(), _imaging(), _imaging().enlarged(_frame()))
    assert torch.allclose(start.image, _imaging().enlarged(_frame()), atol=1e-6)
    assert start.weight is not None
    assert start.weight.max() < 1e-6


def test_where_the_previous_image_does_not_fit_the_frame_is_interpolated() -> None:
    previous, plain = _hr(), _imaging().enlarged(_frame())
    noise = torch.rand(previous.shape, generator=torch.Generator().manual_seed(1))
    previous[:, SIDE:] = resample(noise[::8, ::8], (SCALE * SIDE, SCALE * SIDE)).clamp(0, 1)[:, SIDE:]
    got = carried(previous, _motion((0, 0)), _frame(), _imaging(), _imaging().enlarged(_frame())).image
    assert _rms(got[:, : SIDE - 8], _hr()[:, : SIDE - 8]) < 0.1 * _rms(plain[:, : SIDE - 8], _hr()[:, : SIDE - 8])
    assert _rms(got[:, SIDE + 8 :], plain[:, SIDE + 8 :]) < 0.1 * _rms(previous[:, SIDE + 8 :], plain[:, SIDE + 8 :])


def test_what_earlier_frames_showed_helps_where_it_has_weight() -> None:
    """A noisy frame alone, and the ground truth as the start: the solver keeps to it only where its weight is high."""
    imaging, hr = _imaging(), _hr()
    luma = _frame() + 4 / 255 * torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(4))
    options = HuberBtvOptions(radius=1, alpha=0.6, outer_iterations=1, cg_iterations=8)
    solve = partial(find_solver("huber-btv"), options=options)
    weight = torch.zeros_like(hr)
    weight[:, SIDE:] = 1.0
    without, half = (
        reconstruct(luma, [], Start(hr, part), imaging, solve, rounds=6, unrefined_rounds=0).image
        for part in (None, weight)
    )
    left, right = slice(0, SIDE - 8), slice(SIDE + 8, 2 * SIDE)
    assert _rms(half[:, right], hr[:, right]) < 0.95 * _rms(without[:, right], hr[:, right])
    assert _rms(half[:, left], without[:, left]) < 0.1 * _rms(without[:, left], hr[:, left])


def _led(luma: Tensor, neighbours: Sequence[Neighbour], guess: Tensor) -> Tensor:
    """The image that a ``guess`` of half a sample's weight leads to."""
    imaging, weighing = _imaging(*luma.shape), replace(ANCHORED, own_confidence=1.0, guess_weight=0.5)
    solve, start = video_solver(weighing), Start(imaging.enlarged(luma))
    made = reconstruct(
        luma, neighbours, start, imaging, solve, rounds=4, unrefined_rounds=1, guess=guess, weighing=weighing
    )
    return made.image


def test_frames_that_repeat_one_another_do_not_outvote_the_guess() -> None:
    """Before a fixed camera all frames have one error, as compression leaves it: six prove what one does."""
    luma = _frame() + 6 / 255 * torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    repeats = [Neighbour(luma, _motion((0, 0)))] * 6
    alone, among = (_rms(_led(luma, neighbours, _hr()), _hr()) for neighbours in ([], repeats))
    assert among < 1.2 * alone


def test_the_guess_gives_way_to_samples_that_lie_between() -> None:
    """Four samples of weight 1 for one of 0.5 of the guess alone would leave 0.89 of its error."""
    guess = _imaging().enlarged(_frame())
    led = _led(_frame(), _neighbours(), guess)
    assert _rms(led, _hr()) < 0.82 * _rms(guess, _hr())


def test_what_moves_before_a_still_camera_is_separated() -> None:
    """Left half of the neighbours still, right half of them half a sample on."""
    moved = _motion((1, 1)).forward
    moved[:, :, : SIDE // 2] = 0
    neighbours = [Neighbour(_frame(), FlowPair(moved, -moved))] * 3
    observed, _ = observe(_frame(), neighbours, _imaging())
    found = module._repetition(replace(observed, confidence=torch.ones_like(observed.frames)), _imaging())
    assert found.shape == (SCALE * SIDE, SCALE * SIDE)
    assert found[:, : SIDE - 8].mean() == pytest.approx(4, rel=0.05)
    assert found[:, SIDE + 8 :].mean() == pytest.approx(1 / 4, rel=0.05)


def test_a_frame_alone_neither_repeats_nor_adds() -> None:
    observed, _ = observe(_frame(), [], _imaging())
    assert (module._repetition(observed, _imaging()) == 1).all()


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("scale", [2, 4])
def test_the_pixels_of_a_sample_share_the_weight_of_the_guess(scale: int, shares: bool) -> None:
    size = (scale * SIDE, scale * SIDE)
    imaging = Imaging(size, (float(scale), float(scale)), reading_blur(None, (scale, scale)), 0.0)
    observed, _ = observe(_frame(), [], imaging)
    weighing = replace(ANCHORED, carried_weight=0.0, guess_weight=0.5, shares_guess=shares)
    guess = torch.zeros(size)
    _, weight = module._expectations(guess, Start(guess), weighing, observed, imaging).at(0.01)
    assert weight is not None
    assert float(weight.sum()) == pytest.approx(0.5 * (4 if shares else scale**2) * SIDE * SIDE)
