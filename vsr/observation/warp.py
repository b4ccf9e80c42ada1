"""Reading an image at other places: motion between frames, as a linear operator.

Direction, once for all: **the warped image at p has the value of x at position(p)**, in pixel indices
(pixel centres at whole numbers). So a translation by (0, 1) shows at p what was one pixel to its right, and
a flow from frame k to x warps x onto frame k.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from vsr.observation.operator import check_image
from vsr.observation.ordered_sums import OrderedSums

__all__ = ["Interpolation", "Warp"]

Interpolation = Literal["bilinear", "bicubic"]
"""How to read between pixels; ``bicubic`` is Keys' cubic with a = −0.5."""


def _bilinear(fraction: Tensor) -> Tensor:
    return torch.stack([1 - fraction, fraction])


def _bicubic(fraction: Tensor) -> Tensor:
    """Keys' cubic at distances f + 1, f, 1 − f and 2 − f."""
    f, square = fraction, fraction * fraction
    cube = square * f
    return torch.stack(
        [
            square - 0.5 * (cube + f),
            1.5 * cube - 2.5 * square + 1,
            2 * square - 1.5 * cube + 0.5 * f,
            0.5 * (cube - square),
        ]
    )


_WEIGHTS: Mapping[Interpolation, tuple[Callable[[Tensor], Tensor], int]] = MappingProxyType(
    {"bilinear": (_bilinear, 0), "bicubic": (_bicubic, 1)}
)
"""Weights of consecutive pixels for a place ``fraction`` behind one of them, and how many come before it."""


class Warp:
    """``(..., H, W)`` float32 or float64 images read at positions ``rows`` and ``cols``, in pixel indices.

    Positions have any shape ``(h, w)`` (or other), float32 or float64; the result is ``(..., h, w)``. The
    image covers [−0.5, H − 0.5] × [−0.5, W − 0.5]: positions outside it, or not finite, read 0 and write
    nothing. Inside, pixels beyond the border that the interpolation asks for are the nearest border pixel.

    Weights are kept in ``dtype``, by default that of the positions; images of the other type get them
    converted in each call. All lives on the device of the positions. The adjoint adds in a fixed order
    (see `OrderedSums`), so every run gives the same bytes on GPUs too.
    """

    def __init__(
        self,
        rows: Tensor,
        cols: Tensor,
        size_yx: tuple[int, int],
        *,
        interpolation: Interpolation = "bicubic",
        dtype: torch.dtype | None = None,
    ) -> None:
        height, width = size_yx
        if min(size_yx) < 1 or rows.shape != cols.shape or rows.ndim == 0 or rows.numel() == 0:
            raise ValueError(f"cannot read {height}x{width} at rows {tuple(rows.shape)}, cols {tuple(cols.shape)}")
        if interpolation not in _WEIGHTS:
            raise ValueError(f"interpolation must be one of {', '.join(_WEIGHTS)}, got {interpolation!r}")
        for tensor in (rows, cols):
            if tensor.dtype not in (torch.float32, torch.float64):
                raise ValueError(f"positions must be float32 or float64, got {tensor.dtype}")
        function, before = _WEIGHTS[interpolation]
        kept = dtype or rows.dtype
        self._size, self._out_shape = (height, width), tuple(rows.shape)
        self.inside = (rows >= -0.5) & (rows <= height - 0.5) & (cols >= -0.5) & (cols <= width - 0.5)
        """Shape of the positions, bool: those within the image."""
        inside = self.inside.reshape(-1)
        y, x = (torch.where(inside, p.detach().reshape(-1), 0.0).to(torch.float64) for p in (rows, cols))
        top, left = y.floor(), x.floor()
        # The weights of the rows carry the zeros of what is outside. (taps, N) each.
        self._weights_y = function((y - top).to(kept)) * inside
        self._weights_x = function((x - left).to(kept))
        # Pixels are counted in the image with `margin` border pixels around it: there no tap is outside.
        self._margin = before + 1
        self._padded = (height + 2 * self._margin, width + 2 * self._margin)
        self._cells = (top.to(torch.int64) + 1) * self._padded[1] + left.to(torch.int64) + 1
        found = inside.nonzero()[:, 0]
        self._sums = OrderedSums(self._cells[found])
        self._order = found[self._sums.order]

    def A(self, image: Tensor) -> Tensor:  # noqa: N802
        """``image`` ``(..., H, W)`` at the positions, ``(..., h, w)``."""
        check_image(image, self._size)
        flat = self._with_margin(image.reshape(-1, *self._size))
        result = flat.new_zeros((flat.shape[0], self._cells.numel()))
        weights_y, weights_x = self._weights_y.to(flat.dtype), self._weights_x.to(flat.dtype)
        for i, weight_y in enumerate(weights_y):
            row = torch.zeros_like(result)
            for j, weight_x in enumerate(weights_x):
                row.addcmul_(_from(flat, i * self._padded[1] + j).index_select(-1, self._cells), weight_x)
            result.addcmul_(row, weight_y)
        return result.reshape(*image.shape[:-2], *self._out_shape)

    def A_adjoint(self, image: Tensor) -> Tensor:  # noqa: N802
        """The transpose of `A`: ``(..., h, w)`` values spread onto an image ``(..., H, W)``."""
        check_image(image, self._out_shape)
        leading = image.shape[: image.ndim - len(self._out_shape)]
        values = image.reshape(-1, self._cells.numel()).index_select(-1, self._order)
        weights_y, weights_x = (
            weights.to(values.dtype).index_select(-1, self._order) for weights in (self._weights_y, self._weights_x)
        )
        spread = values.new_zeros((values.shape[0], self._padded[0] * self._padded[1]))
        cells = self._sums.cells
        for i, weight_y in enumerate(weights_y):
            row = values * weight_y
            for j, weight_x in enumerate(weights_x):
                target = _from(spread, i * self._padded[1] + j)
                target.index_copy_(-1, cells, target.index_select(-1, cells) + self._sums.fold(row * weight_x))
        return self._fold_margin(spread.reshape(-1, *self._padded)).reshape(*leading, *self._size)

    def _with_margin(self, images: Tensor) -> Tensor:
        """``(B, H, W)`` with its border pixels repeated, flat."""
        for dim, size in ((-2, self._size[0]), (-1, self._size[1])):
            index = torch.arange(-self._margin, size + self._margin, device=images.device).clamp(0, size - 1)
            images = images.index_select(dim, index)
        return images.reshape(images.shape[0], -1)

    def _fold_margin(self, padded: Tensor) -> Tensor:
        """The transpose of `_with_margin`."""
        for dim, size in ((-2, self._size[0]), (-1, self._size[1])):
            result = padded.narrow(dim, self._margin, size).clone()
            for k in range(self._margin):
                result.select(dim, 0).add_(padded.select(dim, k))
                result.select(dim, size - 1).add_(padded.select(dim, self._margin + size + k))
            padded = result
        return padded

    @classmethod
    def translation(
        cls,
        size_yx: tuple[int, int],
        shift_yx: tuple[float, float],
        *,
        interpolation: Interpolation = "bicubic",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Warp:
        """position(y, x) = (y + shift_y, x + shift_x), in pixels, on a grid of the image's own size."""
        y, x = _grid(size_yx, device)
        return cls(y + shift_yx[0], x + shift_yx[1], size_yx, interpolation=interpolation, dtype=dtype)

    @classmethod
    def affine(
        cls,
        size_yx: tuple[int, int],
        matrix: Tensor,
        *,
        out_size_yx: tuple[int, int] | None = None,
        interpolation: Interpolation = "bicubic",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Warp:
        """position = ``matrix`` (2, 3) times (x, y, 1), giving (x, y), in pixel indices.

        That is OpenCV's order and ``cv2.warpAffine`` with ``WARP_INVERSE_MAP``. ``out_size_yx`` is the grid
        of the result, by default that of the image.
        """
        m = _matrix(matrix, (2, 3))
        y, x = _grid(out_size_yx or size_yx, device)
        rows, cols = (m[i][0] * x + m[i][1] * y + m[i][2] for i in (1, 0))
        return cls(rows, cols, size_yx, interpolation=interpolation, dtype=dtype)

    @classmethod
    def homography(
        cls,
        size_yx: tuple[int, int],
        matrix: Tensor,
        *,
        out_size_yx: tuple[int, int] | None = None,
        interpolation: Interpolation = "bicubic",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Warp:
        """position = ``matrix`` (3, 3) times (x, y, 1), giving (x, y, 1) times a factor, in pixel indices.

        ``cv2.warpPerspective`` with ``WARP_INVERSE_MAP``, but for what lies beyond the horizon as seen from
        the middle of the result: it reads 0. ``out_size_yx`` as in `affine`.
        """
        m = _matrix(matrix, (3, 3))
        size = out_size_yx or size_yx
        middle = m[2][0] * (size[1] - 1) / 2 + m[2][1] * (size[0] - 1) / 2 + m[2][2]
        if middle == 0:
            raise ValueError("this homography has its horizon in the middle of the image")
        sign = math.copysign(1.0, middle)
        y, x = _grid(size, device)
        cols, rows, factor = (sign * (line[0] * x + line[1] * y + line[2]) for line in m)
        factor = torch.where(factor > 0, factor, torch.nan)
        return cls(rows / factor, cols / factor, size_yx, interpolation=interpolation, dtype=dtype)

    @classmethod
    def flow(
        cls,
        flow: Tensor,
        *,
        size_yx: tuple[int, int] | None = None,
        interpolation: Interpolation = "bicubic",
        dtype: torch.dtype | None = None,
    ) -> Warp:
        """position(p) = p + ``flow[:, p]``; ``flow`` is ``(2, h, w)`` pixels, row displacement first.

        As in `vsr.registration`. ``size_yx`` is the size of the image that is read, by default the flow's.
        """
        if flow.ndim != 3 or flow.shape[0] != 2 or not flow.is_floating_point():
            raise ValueError(f"a flow is (2, h, w) floating-point pixels, got {tuple(flow.shape)} {flow.dtype}")
        size = (int(flow.shape[1]), int(flow.shape[2]))
        y, x = _grid(size, flow.device)
        return cls(y + flow[0], x + flow[1], size_yx or size, interpolation=interpolation, dtype=dtype or flow.dtype)


def _from(flat: Tensor, start: int) -> Tensor:
    """``flat`` ``(B, N)`` without its first ``start`` columns, as a view."""
    return flat.narrow(-1, start, flat.shape[-1] - start)


def _grid(size_yx: tuple[int, int], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Row and column index of each pixel, ``(H, W)`` float64."""
    axes = (torch.arange(size, dtype=torch.float64, device=device) for size in size_yx)
    y, x = torch.meshgrid(*axes, indexing="ij")
    return y, x


def _matrix(matrix: Tensor, shape: tuple[int, int]) -> list[list[float]]:
    if tuple(matrix.shape) != shape or not bool(torch.isfinite(matrix).all()):
        raise ValueError(f"expected a finite {shape[0]}x{shape[1]} matrix, got {tuple(matrix.shape)}")
    values: list[list[float]] = matrix.to(torch.float64).tolist()
    return values
