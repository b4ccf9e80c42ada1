"""Farsiu's gradient against the published formula written out in loops; the median shift-and-add by hand."""

from __future__ import annotations

import pytest
import torch

from vsr.observation import GaussianBlur
from vsr.observation.model import ObservationModel
from vsr.priors import BilateralTV
from vsr.solvers.base import Observations
from vsr.solvers.farsiu import FarsiuOptions, cost_gradient, descent_steps, solve_farsiu
from vsr.solvers.farsiu_fast import median_shift_and_add


def _random(*size: int, seed: int) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gradient_is_the_published_formula() -> None:
    shifts = torch.tensor([[0.0, 0.0], [0.3, -0.2]], dtype=torch.float64)
    model = ObservationModel.from_shifts((3, 4), (6, 8), shifts, GaussianBlur(0.6, 0.6), dtype=torch.float64)
    x, frames = _random(6, 8, seed=0), _random(2, 3, 4, seed=1)
    # A written out as a matrix, column by column.
    units = torch.eye(48, dtype=torch.float64).reshape(48, 6, 8)
    matrix = torch.stack([model.A(unit).reshape(-1) for unit in units], 1)
    signs = torch.sign(matrix @ x.reshape(-1) - frames.reshape(-1)) * model.inside.reshape(-1)
    expected = (matrix.T @ signs).reshape(6, 8)
    radius, alpha, strength = 2, 0.7, 0.3
    for m in range(-radius, radius + 1):
        for n in range(-radius, radius + 1):
            if (m, n) <= (0, 0):
                continue  # one of each pair of opposite shifts
            for i in range(6):
                for j in range(8):
                    if 0 <= i + m < 6 and 0 <= j + n < 8:
                        sign = float(torch.sign(x[i, j] - x[i + m, j + n]))
                        expected[i, j] += strength * alpha ** (abs(m) + abs(n)) * sign
                        expected[i + m, j + n] -= strength * alpha ** (abs(m) + abs(n)) * sign
    found = cost_gradient(Observations(frames, model), x, strength, BilateralTV(radius, alpha))
    assert torch.allclose(found, expected, atol=1e-10)


def test_descent_lowers_the_published_cost() -> None:
    shifts = torch.tensor([[0.0, 0.0], [0.25, -0.2], [-0.3, 0.4]], dtype=torch.float64)
    model = ObservationModel.from_shifts((8, 8), (16, 16), shifts, GaussianBlur(0.6, 0.6), dtype=torch.float64)
    hr = (_random(16, 16, seed=2) > 0.7).double()
    observed = Observations(model.A(hr), model)
    prior, options = BilateralTV(), FarsiuOptions()

    def cost(x: torch.Tensor) -> float:
        return float(observed.residual(x).abs().sum() + options.regularization * prior.value(x))

    start = torch.full((16, 16), 0.5, dtype=torch.float64)
    assert cost(solve_farsiu(observed, start, options)) < 0.5 * cost(start)


def test_steps_fall_geometrically_or_stay() -> None:
    assert descent_steps(0.8, 0.1, 4) == pytest.approx([0.8, 0.4, 0.2, 0.1])
    assert descent_steps(0.5, 0.5, 3) == pytest.approx([0.5] * 3)
    assert descent_steps(0.5, 0.1, 1) == [0.5]
    assert descent_steps(0.5, 0.1, 0) == []


def test_median_shift_and_add() -> None:
    shifts = torch.tensor([[-0.25, -0.25], [-0.25, -0.25], [-0.25, -0.25], [0.25, -0.25]], dtype=torch.float64)
    model = ObservationModel.from_shifts((3, 3), (6, 6), shifts, GaussianBlur(0.0, 0.0))
    frames = torch.stack([torch.full((3, 3), value) for value in (0.2, 0.3, 0.9, 0.5)])
    fused, counts = median_shift_and_add(frames, model, torch.ones_like(frames))
    assert counts[0::2, 0::2].eq(3).all()
    assert counts[1::2, 0::2].eq(1).all()
    assert counts[:, 1::2].eq(0).all(), "holes are never data"
    assert fused[0::2, 0::2].allclose(torch.tensor(0.3)), "the median, not the mean"
    assert fused[1::2, 0::2].allclose(torch.tensor(0.5))
