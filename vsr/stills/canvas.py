"""The fine grid on which the region is reconstructed, and where the samples of every frame fall on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from vsr.observation import LinearOperator, ObservationModel
from vsr.registration import sample_bicubic
from vsr.stills.boxes import Box, move_points

__all__ = ["Canvas", "View", "tiles"]

_MARGIN_PX = 6  # frame pixels around a part that are solved too and thrown away: blur and prior reach in from there
_BEYOND_PX = 2  # frame pixels read beyond that
_TILE_PX = 128  # longest side of what is solved at once, in frame pixels

_SOMETHING_ELSE = 0.08  # 0…1; more than noise and aliasing make


@dataclass(frozen=True)
class View:
    """One frame that the still is made from."""

    number: int
    """Place among the frames that were read."""
    luma: Tensor
    """``(h, w)``, 0…1, of the whole frame; its type is that of images made from it."""
    motion: Tensor
    """(3, 3) float64: from the reference to this frame."""
    gain: float = 1.0
    """Times which its luma has the reference's brightness, after …"""
    offset: float = 0.0
    """… this is added to the product."""
    weight: float = 1.0
    """Confidence in the frame as a whole, 0…1."""


@dataclass(frozen=True)
class Canvas:
    """The fine grid over a part of the region, with a margin."""

    region: Box
    """The whole region in the reference; its corner is the corner of the fine grid."""
    part: Box
    """What this grid covers, in the reference."""
    scale: float
    """Pixels of the fine grid per frame pixel."""

    @property
    def margin(self) -> int:
        """Fine pixels around the part."""
        return math.ceil(_MARGIN_PX * self.scale)

    def _span(self, start: int, side: int, corner: int) -> tuple[int, int]:
        return round((start - corner) * self.scale), round((start + side - corner) * self.scale)

    @property
    def rows(self) -> tuple[int, int]:
        """First row of the part in the region's fine grid, and the row after its last."""
        return self._span(self.part.y, self.part.height, self.region.y)

    @property
    def cols(self) -> tuple[int, int]:
        """The same of columns."""
        return self._span(self.part.x, self.part.width, self.region.x)

    @property
    def size_yx(self) -> tuple[int, int]:
        """Of the fine grid, margins included."""
        (top, bottom), (left, right) = self.rows, self.cols
        return bottom - top + 2 * self.margin, right - left + 2 * self.margin

    def inner(self, image: Tensor) -> Tensor:
        """``image`` ``(..., H, W)`` on this grid without its margin."""
        return image[..., self.margin : -self.margin, self.margin : -self.margin]

    def place(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """``(rows, cols)`` on this grid of points of the reference."""
        row = (y - self.region.y + 0.5) * self.scale - 0.5 - self.rows[0] + self.margin
        col = (x - self.region.x + 0.5) * self.scale - 0.5 - self.cols[0] + self.margin
        return row, col

    def reference_points(self, rows: Tensor, cols: Tensor) -> tuple[Tensor, Tensor]:
        """``(x, y)`` in the reference of places on this grid; the inverse of `place`."""
        y = (rows - self.margin + self.rows[0] + 0.5) / self.scale - 0.5 + self.region.y
        x = (cols - self.margin + self.cols[0] + 0.5) / self.scale - 0.5 + self.region.x
        return x, y

    def points(self) -> tuple[Tensor, Tensor]:
        """``(x, y)`` in the reference of every pixel of this grid, ``(H, W)`` float64."""
        height, width = self.size_yx
        rows = torch.arange(height, dtype=torch.float64) + self.rows[0] - self.margin
        cols = torch.arange(width, dtype=torch.float64) + self.cols[0] - self.margin
        y, x = torch.meshgrid(
            (rows + 0.5) / self.scale - 0.5 + self.region.y,
            (cols + 0.5) / self.scale - 0.5 + self.region.x,
            indexing="ij",
        )
        return x, y

    def crops(self, views: Sequence[View]) -> list[Box]:
        """The part of each frame that shows this grid: boxes of one size."""
        size = (int(views[0].luma.shape[0]), int(views[0].luma.shape[1]))
        reach = _MARGIN_PX + _BEYOND_PX
        left, right = self.part.x - reach, self.part.right - 1 + reach
        top, bottom = self.part.y - reach, self.part.bottom - 1 + reach
        corner_x = torch.tensor([left, right, left, right], dtype=torch.float64)
        corner_y = torch.tensor([top, top, bottom, bottom], dtype=torch.float64)
        bounds = []
        for view in views:
            x, y = move_points(view.motion, corner_x, corner_y)
            bounds.append([float(v) for v in (x.min(), x.max(), y.min(), y.max())])
        width = min(size[1], math.ceil(max(b[1] - b[0] for b in bounds)) + 1)
        height = min(size[0], math.ceil(max(b[3] - b[2] for b in bounds)) + 1)
        shape = Box(0, 0, width, height)
        return [shape.around((b[0] + b[1]) / 2, (b[2] + b[3]) / 2, size) for b in bounds]

    def observe(self, views: Sequence[View], blur: LinearOperator) -> tuple[Tensor, ObservationModel]:
        """The frames' samples at the reference's brightness, ``(K, h, w)``, and their model."""
        dtype = views[0].luma.dtype
        samples, rows, cols = [], [], []
        for view, crop in zip(views, self.crops(views), strict=True):
            y, x = torch.meshgrid(
                torch.arange(crop.y, crop.bottom, dtype=torch.float64),
                torch.arange(crop.x, crop.right, dtype=torch.float64),
                indexing="ij",
            )
            row, col = self.place(*move_points(torch.linalg.inv(view.motion), x, y))
            samples.append(crop.of(view.luma) * view.gain + view.offset)
            rows.append(row.to(dtype))
            cols.append(col.to(dtype))
        model = ObservationModel(self.size_yx, torch.stack(rows), torch.stack(cols), blur, (self.scale, self.scale))
        return torch.stack(samples), model

    def median(self, views: Sequence[View]) -> Tensor:
        """The frames interpolated on this grid, and the median of them at every pixel; a first guess."""
        x, y = self.points()
        laid = []
        for view in views:
            to_x, to_y = (place.to(view.luma.dtype) for place in move_points(view.motion, x, y))
            laid.append(sample_bicubic(view.luma[None] * view.gain + view.offset, to_y, to_x)[0])
        return torch.stack(laid).median(0).values

    def first_guess(self, views: Sequence[View], reference: int) -> Tensor:
        """`median`, and where that shows something else than view number ``reference`` of them, what this one shows."""
        usual, own = self.median(views), self.median([views[reference]])
        return torch.where((usual - own).abs() > _SOMETHING_ELSE, own, usual)


def tiles(region: Box, scale: float) -> list[Canvas]:
    """Grids that cover ``region`` row by row without overlap, apart from their margins."""
    found = []
    for y, height in _pieces(region.y, region.height):
        for x, width in _pieces(region.x, region.width):
            found.append(Canvas(region, Box(x, y, width, height), scale))
    return found


def _pieces(start: int, length: int) -> list[tuple[int, int]]:
    count = -(-length // _TILE_PX)
    bounds = [start + round(length * n / count) for n in range(count + 1)]
    return [(a, b - a) for a, b in pairwise(bounds)]
