"""Every linear operator fulfils ⟨A u, v⟩ = ⟨u, A_adjoint v⟩ to 1e-10 relative in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest
import torch
from torch import Tensor

from vsr.observation import GaussianBlur, NormalEquations, PointSampler, Stencil


class LinearOperator(Protocol):
    def A(self, picture: Tensor, /) -> Tensor: ...  # noqa: N802

    def A_adjoint(self, values: Tensor, /) -> Tensor: ...  # noqa: N802


def _sampler(size_yx: tuple[int, int], points: int, seed: int) -> PointSampler:
    """Points in the picture, on its very edge, outside it, and many in one cell."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand(points, generator=generator, dtype=torch.float64) * (size_yx[0] + 3) - 2
    cols = torch.rand(points, generator=generator, dtype=torch.float64) * (size_yx[1] + 3) - 2
    rows[0], cols[0] = size_yx[0] - 1, size_yx[1] - 1
    rows[1], cols[1] = 0, 0
    rows[2:5], cols[2:5] = 0.5, 0.25
    return PointSampler(rows, cols, size_yx)


OPERATORS: dict[str, tuple[Callable[[], LinearOperator], tuple[int, int]]] = {
    "blur": (lambda: GaussianBlur(1.1, 0.7), (19, 23)),
    "blur wider than the picture": (lambda: GaussianBlur(2.5, 3.0), (3, 2)),
    "blur of nothing": (lambda: GaussianBlur(0.0, 0.1), (5, 4)),
    "sampler": (lambda: _sampler((17, 13), 400, 1), (17, 13)),
    "sampler, smallest picture": (lambda: _sampler((2, 2), 50, 2), (2, 2)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_adjoint(name: str) -> None:
    make, size = OPERATORS[name]
    operator = make()
    generator = torch.Generator().manual_seed(3)
    u = torch.randn(size, generator=generator, dtype=torch.float64)
    forward = operator.A(u)
    v = torch.randn(forward.shape, generator=generator, dtype=torch.float64)
    left, right = (forward * v).sum(), (u * operator.A_adjoint(v)).sum()
    assert abs(left - right) <= 1e-10 * max(abs(left), abs(right))


def test_normal_equations_equal_forward_weight_adjoint() -> None:
    generator = torch.Generator().manual_seed(4)
    samplers = [_sampler((11, 9), 300, seed) for seed in (5, 6)]
    weights, values = torch.rand(2, 2, 300, generator=generator, dtype=torch.float64)
    u = torch.randn(11, 9, generator=generator, dtype=torch.float64)
    equations = NormalEquations((11, 9), torch.float64, torch.device("cpu"))
    for sampler, w, y in zip(samplers, weights, values, strict=True):
        equations.add(sampler, w, y)
    product = sum(s.A_adjoint(w * s.A(u)) for s, w in zip(samplers, weights, strict=True))
    right = sum(s.A_adjoint(w * y) for s, w, y in zip(samplers, weights, values, strict=True))
    assert (equations.matrix().apply(u) - product).abs().max() < 1e-9
    assert (equations.right_side() - right).abs().max() < 1e-9


def test_sums_do_not_depend_on_the_order_of_samples() -> None:
    """What makes results repeat on hardware that adds in any order."""
    generator = torch.Generator().manual_seed(6)
    rows, cols, weights = torch.rand(3, 500, generator=generator)
    order = torch.randperm(500, generator=generator)
    results = []
    for pick in (torch.arange(500), order):
        equations = NormalEquations((4, 4), torch.float32, torch.device("cpu"))
        equations.add(PointSampler(3 * rows[pick], 3 * cols[pick], (4, 4)), weights[pick], rows[pick])
        results.append((equations.matrix().centre, equations.right_side()))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_stencil_sum_is_the_sum_of_the_matrices() -> None:
    generator = torch.Generator().manual_seed(7)
    first, second = (Stencil(*torch.randn(5, 6, 7, generator=generator, dtype=torch.float64)) for _ in range(2))
    u = torch.randn(6, 7, generator=generator, dtype=torch.float64)
    assert torch.allclose(first.plus(second).apply(u), first.apply(u) + second.apply(u), atol=1e-12)


def test_stencil_is_symmetric() -> None:
    generator = torch.Generator().manual_seed(8)
    matrix = Stencil(*torch.randn(5, 6, 7, generator=generator, dtype=torch.float64))
    u, v = torch.randn(2, 6, 7, generator=generator, dtype=torch.float64)
    assert abs((matrix.apply(u) * v).sum() - (u * matrix.apply(v)).sum()) < 1e-10
