"""Interlacing: exact where shifts are, refused where they are not."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vsr.observation import GaussianBlur, resample
from vsr.observation.model import ObservationModel
from vsr.solvers import SOLVERS
from vsr.solvers.base import Observations

SHARP = GaussianBlur(0.0, 0.0)


def _all_shifts(scale: int, base: float) -> Tensor:
    """Every whole step within a block, in samples."""
    return torch.tensor(list(itertools.product(*[[base + k / scale for k in range(scale)]] * 2)), dtype=torch.float64)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_exact_to_the_last_bit(scale: int) -> None:
    scene = torch.rand(12 * scale, 9 * scale, generator=torch.Generator().manual_seed(0))
    shifts = _all_shifts(scale, -(scale - 1) / (2 * scale))
    frames = torch.stack([scene[y::scale, x::scale] for y, x in itertools.product(range(scale), repeat=2)])
    model = ObservationModel.from_shifts((12, 9), (12 * scale, 9 * scale), shifts, SHARP)
    assert torch.equal(SOLVERS["interlace"](Observations(frames, model), torch.zeros_like(scene)), scene)


def test_a_common_offset_is_moved_back() -> None:
    """Unshifted frames at even scales lie half a pixel off the grid."""

    def scene(y: Tensor, x: Tensor) -> Tensor:
        return 0.5 + 0.2 * torch.cos(math.pi * (y[:, None] + 0.5) * 5 / 32) * torch.cos(math.pi * (x + 0.5) * 7 / 32)

    shifts = _all_shifts(2, 0.0)
    model = ObservationModel.from_shifts((16, 16), (32, 32), shifts, SHARP, dtype=torch.float64)
    frames = torch.stack([scene(model.rows[k, :, 0], model.cols[k, 0]) for k in range(4)])
    index = torch.arange(32, dtype=torch.float64)
    hr = scene(index, index)
    start = resample(frames[0], (32, 32), kernel="bicubic")
    found = SOLVERS["interlace"](Observations(frames, model), start)
    inner = (slice(4, -4), slice(4, -4))
    assert (found - hr)[inner].abs().max() < 0.004
    assert (start - hr)[inner].abs().max() > 0.01


def test_holes_and_distrusted_samples_keep_the_start() -> None:
    shifts = torch.tensor([[-0.25, -0.25], [0.25, 0.25]], dtype=torch.float64)
    model = ObservationModel.from_shifts((4, 4), (8, 8), shifts, SHARP)
    observed = Observations(torch.full((2, 4, 4), 0.8), model)
    confidence = torch.ones(2, 4, 4)
    confidence[0, 1, 2] = 0
    found = SOLVERS["interlace"](replace(observed, confidence=confidence), torch.full((8, 8), 0.3))
    expected = torch.full((8, 8), 0.3)
    expected[0::2, 0::2] = 0.8
    expected[1::2, 1::2] = 0.8
    expected[2, 4] = 0.3
    assert torch.equal(found, expected)


def test_median_where_frames_coincide() -> None:
    shifts = torch.full((3, 2), -0.25, dtype=torch.float64)
    model = ObservationModel.from_shifts((4, 4), (8, 8), shifts, SHARP)
    frames = torch.stack([torch.full((4, 4), value) for value in (0.4, 1.0, 0.5)])
    found = SOLVERS["interlace"](Observations(frames, model), torch.zeros(8, 8))
    assert found[0::2, 0::2].eq(0.5).all()


def test_other_shifts_are_refused_by_name() -> None:
    shifts = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.25, 0.4]], dtype=torch.float64)
    model = ObservationModel.from_shifts((4, 4), (8, 8), shifts, SHARP)
    with pytest.raises(ValueError, match=r"frame 2 is shifted by \(0\.000, 0\.300\)"):
        SOLVERS["interlace"](Observations(torch.zeros(3, 4, 4), model), torch.zeros(8, 8))


def test_broken_scales_are_refused() -> None:
    model = ObservationModel.from_shifts((4, 4), (6, 6), torch.zeros(1, 2, dtype=torch.float64), SHARP)
    with pytest.raises(ValueError, match=r"scale of \(1\.5, 1\.5\)"):
        SOLVERS["interlace"](Observations(torch.zeros(1, 4, 4), model), torch.zeros(6, 6))
