"""SSIM of every frame of a video: the same windows as `vsr.metrics.ssim`, of large images every so many.

Neighbouring windows overlap and say nearly the same, so a grid of them gives the mean of all, to about 0.001 for
one frame of 1920×1080, at a thirtieth of the cost. The grid moves from frame to frame, so that the mean over a video
comes much nearer. Sums are taken as matrix products of float32; of small images every window is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["SampledSsim", "window_grid"]

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03
_GRIDS = ((100_000, (1, 1)), (450_000, (4, 2)), (1_000_000, (8, 4)))  # up to so many pixels
_LARGE = (32, 4)
_GROUP_SAMPLES = 1 << 20  # of all four moments' rows worked on at a time: few calls, and mostly in cache
_BLOCK_COLUMNS = 16
_PHASE_STEP = 5  # coprime to the steps between rows


def window_grid(height: int, width: int) -> tuple[int, int]:
    """``(rows, columns)`` from one window to the next for images of this size."""
    return next((grid for limit, grid in _GRIDS if height * width <= limit), _LARGE)


def _weights() -> Tensor:
    distance = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    weights = torch.exp(-0.5 * (distance / _SIGMA) ** 2)
    return (weights / weights.sum()).float()


def _row_matrix(num_windows: int, stride: int) -> Tensor:
    """``(columns, num_windows)``: makes windowed means of a run of columns, one every ``stride``."""
    matrix = torch.zeros(stride * (num_windows - 1) + _WINDOW, num_windows)
    for window in range(num_windows):
        matrix[stride * window : stride * window + _WINDOW, window] = _weights()
    return matrix


class SampledSsim:
    """Mean SSIM of pairs of ``(height, width)`` images in 0…``peak``; keeps its buffers from pair to pair."""

    def __init__(self, height: int, width: int, peak: float, *, grid: tuple[int, int] | None = None) -> None:
        """``grid``: rows and columns from window to window; (1, 1) for all. By default that of `window_grid`.

        Raises `ValueError` for images smaller than a window.
        """
        if min(height, width) < _WINDOW:
            raise ValueError(f"SSIM needs at least {_WINDOW}x{_WINDOW} pixels, got {width}x{height}")
        self.grid = grid or window_grid(height, width)
        self._size = (height, width)
        self._constants = ((_K1 * peak) ** 2, (_K2 * peak) ** 2)
        num_columns = (width - _WINDOW) // self.grid[1] + 1
        self._block = min(_BLOCK_COLUMNS, num_columns)
        self._num_blocks = num_columns // self._block
        self._rest = num_columns - self._num_blocks * self._block
        self._across = _row_matrix(self._block, self.grid[1])
        self._offsets = min(self.grid[0], height - _WINDOW + 1)  # places where the grid can begin
        self._num_rows = (height - _WINDOW - self._offsets + 1) // self.grid[0] + 1
        self._group = max(1, min(self._num_rows, _GROUP_SAMPLES // (4 * _WINDOW * width)))
        self._moments = torch.empty(4, self._group, _WINDOW, width)
        self._down = _weights().repeat(self._group, 1, 1)
        self._columns = torch.empty(4, self._num_rows, 1, width)
        self._blocks = self._across.repeat(self._num_blocks, 1, 1)

    def __call__(self, first: NDArray[Any], second: NDArray[Any], number: int = 0) -> float:
        """SSIM of two contiguous images of one type; ``number`` is the frame's, which places the grid."""
        height, width = self._size
        if first.shape != self._size or second.shape != self._size:
            raise ValueError(f"images must be {width}x{height}: {first.shape}, {second.shape}")
        offset = number * _PHASE_STEP % self._offsets
        first_rows, second_rows = (self._row_windows(image, offset) for image in (first, second))
        for start in range(0, self._num_rows, self._group):
            rows = slice(start, start + self._group)
            self._average_down(first_rows[rows], second_rows[rows], self._columns[:, rows])
        means = self._across_windows(self._columns.view(4 * self._num_rows, width))
        values = self._ssim(*means.view(4, self._num_rows, -1).unbind())
        return float(values.mean(dtype=torch.float64))

    def _row_windows(self, image: NDArray[Any], offset: int) -> Tensor:
        """A view ``(rows, 11, W)`` of the rows that windows start at, from ``offset`` on."""
        width = self._size[1]
        plain = image if image.dtype != np.uint16 else image.astype(np.int32)  # torch hardly knows uint16
        shape, strides = (self._num_rows, _WINDOW, width), (self.grid[0] * width, width, 1)
        return torch.from_numpy(plain).as_strided(shape, strides, offset * width)

    def _average_down(self, first: Tensor, second: Tensor, columns: Tensor) -> None:
        """Into ``columns`` ``(4, rows, 1, W)``: windowed means of x, y, x² + y², xy of ``(rows, 11, W)`` windows."""
        num_rows = first.shape[0]
        moments = self._moments[:, :num_rows]
        x, y, squares, product = moments
        x.copy_(first)
        y.copy_(second)
        torch.mul(x, y, out=product)
        torch.mul(x, x, out=squares)
        squares.addcmul_(y, y)
        for moment, column in zip(moments, columns, strict=True):
            torch.bmm(self._down[:num_rows], moment, out=column)

    def _across_windows(self, columns: Tensor) -> Tensor:
        """``(N, W)`` → ``(N, windows)``: blocks of windows as one product, those that are left as another."""
        num, width = columns.shape
        reach, stride = self._across.shape[0], self.grid[1] * self._block
        overlapping = columns.as_strided((self._num_blocks, num, reach), (stride, width, 1))
        means = torch.bmm(overlapping, self._blocks).transpose(0, 1).reshape(num, -1)
        if not self._rest:
            return means
        start = self.grid[1] * (self._num_blocks * self._block + self._rest - self._block)
        last = torch.mm(columns[:, start : start + reach], self._across)
        return torch.cat([means, last[:, -self._rest :]], dim=1)

    def _ssim(self, mean_x: Tensor, mean_y: Tensor, mean_squares: Tensor, mean_product: Tensor) -> Tensor:
        c1, c2 = self._constants
        both, squared = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
        luminance = (2 * both + c1) / (squared + c1)
        structure = (2 * (mean_product - both) + c2) / (mean_squares - squared + c2)
        return luminance * structure
