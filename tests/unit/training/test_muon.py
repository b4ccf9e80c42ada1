"""Momentum made orthogonal."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vsr.training.muon import Muon, is_for_muon


def _weights(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def _change(weights: Tensor, gradient: Tensor, rate: float = 0.01) -> Tensor:
    """What one step adds."""
    before, weights.grad = weights.detach().clone(), gradient
    Muon([weights], rate).step()
    return weights.detach() - before


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (12, 12), (16, 8, 3, 3)])
def test_all_directions_change_alike_and_as_much_as_by_adam(shape: tuple[int, ...]) -> None:
    change = _change(_weights(*shape), _weights(*shape, seed=1).detach()).reshape(shape[0], -1)
    strengths = torch.linalg.svdvals(change.double()) / (0.01 * 0.2 * math.sqrt(max(change.shape)))
    assert float(strengths.min()) > 0.6
    assert float(strengths.max()) < 1.3
    expected = 0.01 * 0.2 * math.sqrt(max(change.shape) * min(change.shape) / change.numel())
    assert float(change.square().mean().sqrt()) == pytest.approx(expected, rel=0.15)


def test_it_goes_against_the_gradient_whatever_its_length() -> None:
    gradient = _weights(16, 24, seed=1).detach()
    change = _change(_weights(16, 24), gradient)
    assert float((change * gradient).sum()) < 0
    torch.testing.assert_close(change, _change(_weights(16, 24), 1e4 * gradient), rtol=1e-3, atol=1e-7)


def test_together_as_one_by_one() -> None:
    shapes = [(16, 9, 3), (16, 27), (8, 30), (16, 27)]
    together, single = ([_weights(*shape, seed=n) for n, shape in enumerate(shapes)] for _ in range(2))
    for weights in (*together, *single):
        weights.grad = weights.detach().flip(0).sin()
    Muon(together, 0.01).step()
    for weights in single:
        Muon([weights], 0.01).step()
    for one, other in zip(together, single, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_least_squares_problem_is_solved() -> None:
    sought, seen = _weights(12, 20, seed=2).detach(), _weights(200, 20, seed=3).detach()
    weights = torch.zeros(12, 20, requires_grad=True)
    optimiser = Muon([weights], 0.2)
    losses = []
    for step in range(300):
        optimiser.param_groups[0]["lr"] = 0.2 * (1 - step / 300)
        loss = (seen @ (weights - sought).T).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 1e-4 * losses[0]


@pytest.mark.parametrize(
    ("shape", "expected"), [((32,), False), ((4, 288), False), ((32, 1, 5, 5), True), ((32, 1, 2, 2), False)]
)
def test_what_is_a_matrix(shape: tuple[int, ...], expected: bool) -> None:
    assert is_for_muon(torch.zeros(shape)) is expected
