"""Rectangles of a frame, and what 3×3 matrices make of them.

Matrices act on (x, y, 1) in pixel indices, pixel centres at whole numbers; they lead from the reference frame to
another one, as in `vsr.registration.Registration`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.errors import UsageError

__all__ = ["Box", "move_points", "moved_by", "normalise", "recentre"]

_ROI = re.compile(r"(\d+),(\d+),(\d+),(\d+)")


@dataclass(frozen=True)
class Box:
    """Whole pixels of a frame: columns ``x`` to ``x + width``, rows ``y`` to ``y + height``, ends exclusive."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1:
            raise UsageError(f"region {self} is empty or starts before the image's corner")

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"

    @classmethod
    def parse(cls, text: str) -> Box:
        """``X,Y,W,H``; raises `UsageError` for anything else."""
        found = _ROI.fullmatch(text.replace(" ", ""))
        if found is None:
            raise UsageError(
                f"{text!r} is not a region; give X,Y,W,H in pixels of the frame, for example 640,360,120,40"
            )
        return cls(*(int(part) for part in found.groups()))

    @property
    def right(self) -> int:
        """Column after the last."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Row after the last."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """``(x, y)`` of its middle, in pixel indices."""
        return self.x + (self.width - 1) / 2, self.y + (self.height - 1) / 2

    def fits(self, width: int, height: int) -> bool:
        """Whether it lies in a frame of that size."""
        return self.right <= width and self.bottom <= height

    def grown(self, by_px: int, size_yx: tuple[int, int], least_px: int = 1) -> Box:
        """Larger by ``by_px`` on each side and to sides of ``least_px`` at least, as far as the frame goes."""
        starts, sides = [], []
        for start, side, limit in ((self.x, self.width, size_yx[1]), (self.y, self.height, size_yx[0])):
            more = max(by_px, -(-(least_px - side) // 2))
            requested = min(limit, side + 2 * more)
            starts.append(min(max(0, start - more), limit - requested))
            sides.append(requested)
        return Box(starts[0], starts[1], sides[0], sides[1])

    def around(self, x: float, y: float, size_yx: tuple[int, int]) -> Box:
        """A box of this size with its middle nearest to (x, y), pushed into a frame of ``size_yx``."""
        left = min(max(0, round(x - (self.width - 1) / 2)), size_yx[1] - self.width)
        top = min(max(0, round(y - (self.height - 1) / 2)), size_yx[0] - self.height)
        return Box(left, top, self.width, self.height)

    def of(self, plane: Tensor) -> Tensor:
        """The part of a plane ``(H, W)`` that it covers; a view."""
        return plane[self.y : self.bottom, self.x : self.right]

    def corners(self) -> Tensor:
        """(x, y, 1) of its outermost pixels, ``(3, 4)`` float64."""
        left, top, right, bottom = self.x, self.y, self.right - 1, self.bottom - 1
        return torch.tensor([[left, right, left, right], [top, top, bottom, bottom], [1, 1, 1, 1]], dtype=torch.float64)


def normalise(matrix: Tensor) -> Tensor:
    """The same motion with a last entry of 1."""
    scaled: Tensor = matrix / matrix[2, 2]
    return scaled


def moved_by(x: float, y: float) -> Tensor:
    """The matrix of a shift, (3, 3) float64."""
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[0, 2], matrix[1, 2] = x, y
    return matrix


def recentre(matrix: Tensor, source: Box, target: Box) -> Tensor:
    """``matrix`` between frames as it is between their parts ``source`` and ``target``."""
    return normalise(moved_by(-target.x, -target.y) @ matrix @ moved_by(source.x, source.y))


def move_points(matrix: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Where ``matrix`` leads the points ``(x, y)``, of one shape, float64; beyond the horizon far away."""
    to_x, to_y, depth = (row[0] * x + row[1] * y + row[2] for row in matrix)
    depth = depth.clamp(min=1e-6)
    return to_x / depth, to_y / depth
