"""Iteratively re-weighted least squares, the loop that the robust solvers share.

Each round solves, by conjugate gradients from the last x,

    (B^T [sum_k S_k^T W_k S_k] B + R) x = B^T sum_k S_k^T W_k y_k

where the weights W_k and the prior's matrix R are those that suit the last x. The bracket is one nine-diagonal
matrix whatever the number of frames, so steps are cheap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vsr.kernels import kernel
from vsr.observation.blur import SymmetricBlur, Taps
from vsr.observation.operator import LinearOperator
from vsr.observation.stencil import Stencil
from vsr.solvers.base import Observations
from vsr.solvers.krylov import conjugate_gradients

__all__ = ["solve_normal_equations", "weighted_least_squares"]


def weighted_least_squares(observed: Observations, weights: Tensor, prior: Stencil, x: Tensor, steps: int) -> Tensor:
    """``steps`` steps towards the x that minimises ``sum w (y - A x)² + x^T R x + sum v (x - e)²``.

    ``weights`` ``(K, h, w)`` ≥ 0; ``prior`` is R; ``x`` is the ``(H, W)`` start. e and v are what ``observed`` expects
    the image to be and how strongly, if it does. In half precision what is solved for is the change of x: its right
    side is computed as usual, so rounding disturbs the steps and not the equation.
    """
    blur = observed.model.blur
    samples, spread = observed.model.normal_equations(weights, observed.frames)
    right = blur.A_adjoint(spread)
    if observed.expected is not None and observed.expected_weight is not None:
        prior = replace(prior, centre=prior.centre + observed.expected_weight)
        right = right + observed.expected_weight * observed.expected

    if not observed.half:
        return _solve(blur, samples, prior, right, x, steps)
    matrix = _NormalMatrix(blur, samples, prior)
    residual = (right - matrix.apply(x)).to(torch.bfloat16)
    return x + conjugate_gradients(matrix.half().apply, residual, torch.zeros_like(residual), steps).to(x.dtype)


def _solve(blur: LinearOperator, samples: Stencil, prior: Stencil, right: Tensor, x: Tensor, steps: int) -> Tensor:
    if not isinstance(blur, SymmetricBlur) or max(len(blur.taps_y), len(blur.taps_x)) > min(x.shape):
        return conjugate_gradients(_NormalMatrix(blur, samples, prior).apply, right, x, steps)
    matrices = [(tuple(one.couplings), (one.centre, *one.couplings.values())) for one in (samples, prior)]
    (samples_offsets, samples_maps), (prior_offsets, prior_maps) = matrices
    return solve_normal_equations(
        (blur.taps_y, blur.taps_x), samples_maps, samples_offsets, prior_maps, prior_offsets, right, x, steps
    )


@kernel("vsr.kernels.equations")
def solve_normal_equations(
    taps: tuple[Taps, Taps],
    samples: tuple[Tensor, ...],
    samples_offsets: tuple[tuple[int, int], ...],
    prior: tuple[Tensor, ...],
    prior_offsets: tuple[tuple[int, int], ...],
    right: Tensor,
    x: Tensor,
    steps: int,
) -> Tensor:
    """`conjugate_gradients` from ``x`` ``(H, W)`` for the module's equation, of which ``right`` is the right side.

    B is the `SymmetricBlur` of ``taps`` down and across. The two stencils are given as diagonal and couplings, with the
    couplings' offsets; those of ``samples`` reach one row at most.
    """
    blur, offsets = SymmetricBlur(*taps), (samples_offsets, prior_offsets)
    stencils = [
        Stencil(maps[0], dict(zip(keys, maps[1:], strict=True)))
        for maps, keys in zip((samples, prior), offsets, strict=True)
    ]
    return conjugate_gradients(_NormalMatrix(blur, *stencils).apply, right, x, steps)


@dataclass(frozen=True)
class _NormalMatrix:
    """The bracket of the module's equation."""

    blur: LinearOperator
    samples: Stencil
    prior: Stencil

    def apply(self, u: Tensor) -> Tensor:
        return self.blur.A_adjoint(self.samples.apply(self.blur.A(u))).add_(self.prior.apply(u))

    def half(self) -> _NormalMatrix:
        return _NormalMatrix(self.blur, self.samples.to(torch.bfloat16), self.prior.to(torch.bfloat16))
