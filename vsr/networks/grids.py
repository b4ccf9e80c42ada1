"""Where the pixels of an enlarged image lie in the small one, at any real magnification."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Grid", "centres"]


def centres(count: int, small: int) -> Tensor:
    """Centres of ``count`` pixels that share the side of ``small`` pixels, in those, from the first's centre."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) * (small / count) - 0.5


@dataclass(frozen=True)
class Grid:
    """Some rows of an enlarged image, over features of some rows of the small one."""

    y: Tensor
    """``(rows,)`` float64: centres of the rows, in small pixels from the centre of the image's first."""
    x: Tensor
    """``(columns,)`` likewise."""
    size_yx: tuple[int, int]
    """Of the whole small image."""
    cell_yx: tuple[float, float]
    """Sides of a pixel of the enlarged image, in small pixels."""
    first_row: int = 0
    """Number of the small row that the features begin with."""

    @classmethod
    def whole(cls, size_yx: tuple[int, int], out_yx: tuple[int, int]) -> Grid:
        """All of an enlarged image of ``out_yx``."""
        (height, width), (tall, wide) = size_yx, out_yx
        return cls(centres(tall, height), centres(wide, width), size_yx, (height / tall, width / wide))

    def rows(self, start: int, stop: int, first_row: int) -> Grid:
        """Rows ``start`` to ``stop`` (exclusive) over features that begin with ``first_row``."""
        return Grid(self.y[start:stop], self.x, self.size_yx, self.cell_yx, first_row)
