"""One step of Gauss and Newton for the motion of neighbourhoods."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsr.observation import neighbourhood_mean
from vsr.registration.refine import refining_steps

SIZE = 32
INNER = (slice(4, -4), slice(4, -4))
Y, X = torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float64)] * 2, indexing="ij")
ONES, SIGMA = torch.ones(1, SIZE, SIZE, dtype=torch.float64), 1e-3


def _image(y: Tensor, x: Tensor) -> Tensor:
    """Waves in several directions, readable anywhere."""
    return 0.5 + 0.2 * torch.sin(0.5 * x + 0.2 * y) + 0.2 * torch.sin(0.45 * y - 0.3 * x + 1)


def _slopes() -> tuple[Tensor, Tensor]:
    first, second = 0.2 * torch.cos(0.5 * X + 0.2 * Y), 0.2 * torch.cos(0.45 * Y - 0.3 * X + 1)
    return (0.2 * first + 0.45 * second)[None], (0.5 * first - 0.3 * second)[None]


def _residual(shift_y: float | Tensor, shift_x: float | Tensor) -> Tensor:
    return (_image(Y + shift_y, X + shift_x) - _image(Y, X))[None]


@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))
@settings(max_examples=25, deadline=None)
def test_a_small_displacement_is_found(shift_y: float, shift_x: float) -> None:
    rows, cols = refining_steps(_residual(shift_y, shift_x), _slopes(), ONES, SIGMA, 0.5)
    assert (rows[0] - shift_y)[INNER].abs().max() < 0.03
    assert (cols[0] - shift_x)[INNER].abs().max() < 0.03


def test_each_neighbourhood_has_its_own_displacement() -> None:
    shift = torch.where(X < SIZE / 2, 0.15, -0.15)
    rows, cols = refining_steps(_residual(0.0, shift), _slopes(), ONES, SIGMA, 0.5)
    assert (cols[0, 4:-4, 4:12] - 0.15).abs().max() < 0.03
    assert (cols[0, 4:-4, 20:-4] + 0.15).abs().max() < 0.03
    assert rows[0, 4:-4, 4:12].abs().max() < 0.03


def test_nothing_moves_farther_than_the_limit() -> None:
    rows, cols = refining_steps(4 * _residual(0.3, -0.3), _slopes(), ONES, SIGMA, 0.25)
    assert rows.abs().max() == 0.25
    assert cols.abs().max() == 0.25


def test_samples_without_weight_have_no_say() -> None:
    residual, weights = _residual(0.1, -0.1), ONES.clone()
    residual[:, ::3], weights[:, ::3] = 5.0, 0.0
    rows, cols = refining_steps(residual, _slopes(), weights, SIGMA, 0.5)
    assert (rows[0] - 0.1)[INNER].abs().max() < 0.03
    assert (cols[0] + 0.1)[INNER].abs().max() < 0.03


@pytest.mark.parametrize("sigma", [0.0, 0.01])
def test_without_slopes_or_weights_nothing_moves(sigma: float) -> None:
    residual, flat = _residual(0.1, 0.1), torch.zeros_like(ONES)
    for slopes, weights in (((flat, flat), ONES), (_slopes(), flat)):
        rows, cols = refining_steps(residual, slopes, weights, sigma, 0.5)
        assert not bool(rows.any() | cols.any())


def test_along_an_edge_nothing_moves() -> None:
    """Stripes down the image tell of motion across them alone."""
    slope, still = (0.2 * 0.5 * torch.cos(0.5 * X))[None], torch.zeros_like(ONES)
    residual = (0.2 * torch.sin(0.5 * (X + 0.1)) - 0.2 * torch.sin(0.5 * X))[None]
    rows, cols = refining_steps(residual, (still, slope), ONES, SIGMA, 0.5)
    assert not bool(rows.any())
    assert (cols[0] - 0.1)[INNER].abs().max() < 0.02


def test_slopes_within_the_noise_are_damped() -> None:
    slopes = tuple(0.01 * slope for slope in _slopes())
    residual = 0.01 * _residual(0.2, 0.2)
    quiet, noisy = (refining_steps(residual, (slopes[0], slopes[1]), ONES, s, 0.5)[0][0][INNER] for s in (1e-6, 0.05))
    assert quiet.abs().median() > 0.15
    assert noisy.abs().max() < 0.02


def test_mean_of_neighbourhoods_repeats_the_border() -> None:
    maps = torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    got = neighbourhood_mean(maps, 3)
    for y, x in ((2, 3), (0, 0), (4, 2)):
        taps = [(min(4, max(0, y + i)), min(5, max(0, x + j))) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        expected = sum(maps[:, i, j] for i, j in taps) / 9
        assert torch.allclose(got[:, y, x], expected)
