"""Chroma detail follows the luma where the plane does, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsr.methods.reconstruction.luma import guide_detail

SIZE, SIGMA = 24, 0.002


def _noise(seed: int, size: int = SIZE) -> Tensor:
    return torch.rand(size, size, generator=torch.Generator().manual_seed(seed))


@given(slope=st.floats(-1.5, 1.5), level=st.floats(0, 0.5))
@settings(max_examples=25, deadline=None)
def test_a_plane_that_is_a_line_in_the_luma_gets_its_slope_of_the_detail(slope: float, level: float) -> None:
    luma, detail = _noise(0), _noise(1, 2 * SIZE) - 0.5
    added = guide_detail(slope * luma + level, luma, detail, SIGMA)
    assert (added - slope * detail).abs().max() < 0.01


def test_steep_slopes_are_taken_for_chance() -> None:
    luma, detail = _noise(0), _noise(1) - 0.5
    assert torch.allclose(guide_detail(9 * luma, luma, detail, SIGMA), 2 * detail, atol=1e-3)


def test_a_plane_of_one_colour_gets_nothing() -> None:
    added = guide_detail(torch.full((SIZE, SIZE), 0.5), _noise(0), _noise(1) - 0.5, SIGMA)
    assert added.abs().max() < 1e-3


def test_a_flat_luma_adds_nothing() -> None:
    added = guide_detail(_noise(0), torch.full((SIZE, SIZE), 0.5), torch.ones(SIZE, SIZE), 0.01)
    assert added.abs().max() < 0.01


def test_variations_below_the_noise_tell_nothing() -> None:
    luma = 0.5 + 0.004 * (_noise(0) - 0.5)
    added = [guide_detail(luma, luma, torch.ones(SIZE, SIZE), sigma).mean() for sigma in (1e-4, 0.02)]
    assert added[0] > 0.9
    assert added[1] < 0.01


def test_a_plane_that_does_not_follow_the_luma_gets_little() -> None:
    detail = _noise(1) - 0.5
    added = guide_detail(_noise(3), _noise(0), detail, SIGMA)
    assert added.square().mean() < 0.05 * detail.square().mean()


def test_each_place_has_its_own_slope() -> None:
    luma, detail = _noise(0), torch.ones(2 * SIZE, 2 * SIZE)
    plane = luma.clone()
    plane[:, SIZE // 2 :] *= -1
    added = guide_detail(plane, luma, detail, SIGMA)
    assert added[:, : SIZE - 12].mean() == pytest.approx(1, abs=0.02)
    assert added[:, SIZE + 12 :].mean() == pytest.approx(-1, abs=0.02)


@pytest.mark.parametrize("size", [(SIZE, SIZE), (2 * SIZE, 2 * SIZE), (61, 35)])
def test_the_result_has_the_size_of_the_detail(size: tuple[int, int]) -> None:
    assert guide_detail(_noise(0), _noise(1), torch.zeros(size), SIGMA).shape == size
