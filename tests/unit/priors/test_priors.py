"""Priors: values written out in loops, gradients by finite differences, quadratics that lie above."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsr.observation.stencil import Stencil
from vsr.priors import PRIORS, BilateralTV, Prior, Tikhonov

NAMES = tuple(PRIORS)
TINY = 1e-9  # knee below every difference


def _image(seed: int = 0, size: tuple[int, int] = (6, 7)) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _numeric_gradient(prior: Prior, x: Tensor) -> Tensor:
    """Central differences, a pixel at a time; exact where the prior is linear or quadratic between the two."""
    step, gradient = 1e-6, torch.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            up, down = x.clone(), x.clone()
            up[i, j] += step
            down[i, j] -= step
            gradient[i, j] = (prior.value(up) - prior.value(down)) / (2 * step)
    return gradient


def _square(matrix: Stencil, u: Tensor) -> float:
    return float((u * matrix.apply(u)).sum())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_the_matrix_gives_the_gradient(name: str, strength: float) -> None:
    prior, x = PRIORS[name], _image()
    expected = strength * _numeric_gradient(prior, x)
    assert torch.allclose(prior.majorizer(x, strength, TINY).apply(x), expected, rtol=1e-6, atol=1e-6)


def test_subgradient_of_btv_is_its_gradient() -> None:
    prior, x = BilateralTV(2, 0.7), _image()
    assert torch.allclose(prior.subgradient(x), _numeric_gradient(prior, x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 1000), spread=st.floats(0.01, 10))
@settings(max_examples=15, deadline=None)
def test_the_quadratic_touches_and_lies_nowhere_below(name: str, seed: int, spread: float) -> None:
    """``value(u) <= value(x) + (u R u - x R x) / 2``: what makes re-weighted least squares go down."""
    prior, x = PRIORS[name], _image(seed)
    u = x + spread * (_image(seed + 1) - 0.5)
    matrix = prior.majorizer(x, 1.0, TINY)
    above = float(prior.value(x)) + (_square(matrix, u) - _square(matrix, x)) / 2
    assert float(prior.value(u)) <= above * (1 + 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_matrix_is_symmetric_and_not_negative(name: str) -> None:
    matrix = PRIORS[name].majorizer(_image(size=(3, 4)), 1.0, TINY)
    units = torch.eye(12, dtype=torch.float64).reshape(12, 3, 4)
    dense = torch.stack([matrix.apply(unit).reshape(-1) for unit in units])
    assert torch.allclose(dense, dense.T)
    assert float(torch.linalg.eigvalsh(dense).min()) > -1e-9 * float(dense.abs().max())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (2, 2)], ids=str)
def test_constants_cost_nothing_at_any_size(name: str, size: tuple[int, int]) -> None:
    prior, flat = PRIORS[name], torch.full(size, 0.7, dtype=torch.float64)
    assert float(prior.value(flat)) == 0
    pull = prior.majorizer(flat, 1.0, 0.01).apply(flat)
    assert pull.shape == size
    assert pull.abs().max() < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_rough_images_cost_more_than_smooth_ones(name: str) -> None:
    ramp = torch.linspace(0, 1, 42, dtype=torch.float64).reshape(6, 7)
    values = [float(PRIORS[name].value(x)) for x in (0.1 * ramp, ramp, _image())]
    assert all(smoother < rougher for smoother, rougher in pairwise(values))


def test_btv_written_out() -> None:
    x, radius, alpha = _image(), 2, 0.6
    expected = 0.0
    for m in range(-radius, radius + 1):
        for n in range(-radius, radius + 1):
            if (m, n) > (0, 0):  # one of each pair of opposite shifts
                for i in range(6):
                    for j in range(7):
                        if 0 <= i + m < 6 and 0 <= j + n < 7:
                            expected += alpha ** (abs(m) + abs(n)) * abs(float(x[i, j] - x[i + m, j + n]))
    assert float(BilateralTV(radius, alpha).value(x)) == pytest.approx(expected)


def test_tikhonov_is_half_the_squared_differences_of_neighbours() -> None:
    assert float(Tikhonov().value(torch.tensor([[0.0, 2.0], [0.0, 5.0]]))) == pytest.approx((4 + 25 + 0 + 9) / 2)


def test_differences_below_the_knee_count_as_squares() -> None:
    """Huber: the gradient is d / max(|d|, knee) for each difference d."""
    prior, x, knee = BilateralTV(1, 1.0), torch.tensor([[0.0, 0.02, 0.32]], dtype=torch.float64), 0.1
    expected = torch.tensor([[-0.2, 0.2 - 1.0, 1.0]], dtype=torch.float64)
    assert torch.allclose(prior.majorizer(x, 1.0, knee).apply(x), expected)


def test_edge_weights_spare_edges() -> None:
    x = torch.tensor([[0.0, 0.02, 0.52]], dtype=torch.float64)
    matrix = BilateralTV(1, 1.0).majorizer(x, 1.0, 0.1, lambda size: (size < 0.3).double())
    assert matrix.couplings[0, 1][0, :2].tolist() == pytest.approx([-10.0, 0.0])


@pytest.mark.parametrize(("radius", "alpha"), [(1, 0.5), (2, 0.7), (3, 1.0)])
def test_total_weight_is_that_of_all_shifts(radius: int, alpha: float) -> None:
    reach = range(-radius, radius + 1)
    both = sum(alpha ** (abs(m) + abs(n)) for m in reach for n in reach) - 1
    assert BilateralTV(radius, alpha).total_weight == pytest.approx(both / 2)


@pytest.mark.parametrize(("radius", "alpha"), [(0, 0.5), (1, 0.0), (1, 1.1), (1, -0.5)])
def test_senseless_parameters_are_refused(radius: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="radius must be"):
        BilateralTV(radius, alpha)
