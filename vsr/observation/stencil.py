"""Symmetric matrices over the pixels of an image that couple each pixel to a few near neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Stencil"]

_STRIP_SAMPLES = 1 << 16  # of one strip of rows: 256 kB in float32, so that x and y of a strip stay in cache


@dataclass(frozen=True)
class Stencil:
    """A symmetric matrix given by its diagonal and one coupling map for each pair of opposite neighbours.

    Each map is ``(H, W)``. ``couplings[dy, dx]`` at ``(y, x)`` is the matrix entry that joins pixel ``(y, x)``
    with ``(y + dy, x + dx)``, both ways; it is never read where that neighbour is outside. Only one of two
    opposite offsets is a key: ``dy > 0``, or ``dy == 0 and dx > 0``.
    """

    centre: Tensor
    """Diagonal."""
    couplings: Mapping[tuple[int, int], Tensor]
    """Entries off the diagonal, by offset ``(dy, dx)``."""

    def __post_init__(self) -> None:
        if any((dy, dx) <= (0, 0) for dy, dx in self.couplings):
            raise ValueError(f"offsets must lie after (0, 0), got {sorted(self.couplings)}")

    def to(self, dtype: torch.dtype) -> Stencil:
        """The matrix with its maps in another floating-point type."""
        return Stencil(self.centre.to(dtype), {offset: map_.to(dtype) for offset, map_ in self.couplings.items()})

    def apply(self, x: Tensor) -> Tensor:
        """The matrix times the image ``x`` ``(H, W)``.

        On CPUs it goes strip by strip of rows; values do not depend on the strips.
        """
        height, width = x.shape
        y = torch.empty_like(x)
        strip = max(1, _STRIP_SAMPLES // width) if x.device.type == "cpu" else height
        for top in range(0, height, strip):
            self._apply_rows(x, y, top, min(height, top + strip))
        return y

    def _apply_rows(self, x: Tensor, y: Tensor, top: int, bottom: int) -> None:
        height, width = x.shape
        torch.mul(self.centre[top:bottom], x[top:bottom], out=y[top:bottom])
        for (dy, dx), coupling in self.couplings.items():
            here = slice(max(0, -dx), width - max(0, dx))
            there = slice(max(0, dx), width - max(0, -dx))
            last, first = min(bottom, height - dy), max(top, dy)
            if last > top:
                y[top:last, here].addcmul_(coupling[top:last, here], x[top + dy : last + dy, there])
            if first < bottom:
                rows = slice(first - dy, bottom - dy)
                y[first:bottom, there].addcmul_(coupling[rows, here], x[rows, here])

    def plus(self, other: Stencil) -> Stencil:
        """The sum of two matrices."""
        merged = dict(self.couplings)
        for offset, coupling in other.couplings.items():
            merged[offset] = merged[offset] + coupling if offset in merged else coupling
        return Stencil(self.centre + other.centre, merged)
