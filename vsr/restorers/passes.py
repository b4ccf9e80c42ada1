"""Which networks run one after another to reach a size: a chain of whole magnifications, the rest by resampling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

from vsr.restorers.method import Geometry

__all__ = ["MAX_PASSES", "magnification", "plan_passes"]

MAX_PASSES = 4
"""Networks run one after another at most; what is then still missing is resampled."""

_SLACK = Fraction(51, 50)  # so much may be left to resampling: sizes that are rounded are not worth another pass


def magnification(geometry: Geometry) -> Fraction:
    """The larger of both sides' magnifications, exactly."""
    return max(Fraction(geometry.out_width, geometry.width), Fraction(geometry.out_height, geometry.height))


def plan_passes(factor: Fraction, scales: Sequence[int], *, most: int = MAX_PASSES) -> tuple[int, ...]:
    """The scales of the networks to run, in order, for a magnification of ``factor`` from networks of ``scales``.

    As few passes as reach ``factor``, among those the smallest product, small magnifications first, since the later
    ones run on more pixels: ×8 of ×2 and ×4 is (2, 4), ×3 of ×4 is (4,), which is then shrunk. None for shrinking.
    Where not even ``most`` reach it, the largest product. ``scales`` that are empty stand for weights that take
    any: one pass of the next whole number.
    """
    if factor < 1:
        return ()
    if not scales:
        return (max(1, math.ceil(factor / _SLACK)),)
    known = sorted(set(scales))
    for count in range(1, most + 1):
        chains = [c for c in itertools.combinations_with_replacement(known, count) if math.prod(c) * _SLACK >= factor]
        if chains:
            return min(chains, key=lambda chain: (math.prod(chain), chain))
    return (known[-1],) * (most if known[-1] > 1 else 1)
