"""A picture brought into agreement with what was recorded of it, by as little change as possible.

Iterative back-projection (Irani and Peleg 1991) through the observation model, with the steps of conjugate gradients
on ``A Aᵀ`` (Craig 1955): every step goes along ``Aᵀ`` of what is still missing, and after n steps the result is the
closest to the start that n such steps can reach.
"""

from __future__ import annotations

import math

from torch import Tensor

from vsr.observation import LinearOperator

__all__ = ["MAX_STEPS", "project", "rms"]

MAX_STEPS = 30
"""Steps after which what is still missing is left."""


def rms(values: Tensor) -> float:
    """Root of the mean square."""
    return math.sqrt(_dot(values, values) / values.numel())


def _dot(first: Tensor, second: Tensor) -> float:
    return float((first.double() * second.double()).sum())


def project(start: Tensor, recorded: Tensor, operator: LinearOperator, wanted_rms: float) -> Tensor:
    """``start`` ``(H, W)`` changed until ``rms(recorded - A x)`` is ``wanted_rms``: the discrepancy principle.

    Equal to ``start`` where that holds already. ``recorded`` is ``(h, w)``, in the unit and type of ``start``, float32
    or float64. The last step is shortened so that noise is not fitted: ``wanted_rms`` is what comes out, not less.
    """
    picture, missing = start, recorded - operator.A(start)
    before = _dot(missing, missing)
    wanted = wanted_rms**2 * recorded.numel()
    direction: Tensor | None = None
    shrink = 0.0
    for _ in range(MAX_STEPS):
        if before <= wanted or before == 0:
            break
        spread = operator.A_adjoint(missing)
        direction = spread if direction is None else spread.add_(direction, alpha=shrink)
        length = _dot(direction, direction)
        if length == 0:
            break
        step, seen = before / length, operator.A(direction)
        share = _share(missing, seen, step, wanted)
        picture = picture.add(direction, alpha=share * step)
        missing = missing.sub(seen, alpha=share * step)
        after = _dot(missing, missing)
        shrink, before = after / before, after
        if share < 1:
            break
    return picture


def _share(missing: Tensor, seen: Tensor, step: float, wanted: float) -> float:
    """The part of a step after which the square of what is missing is ``wanted``; 1 where even all of it is more."""
    a, b, c = step**2 * _dot(seen, seen), -2 * step * _dot(missing, seen), _dot(missing, missing) - wanted
    if a + b + c >= 0:
        return 1.0
    return (-b - math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)
