"""Reading an image at scattered points, the exact adjoint of that, and the matrix of doing both.

Frames of a moving camera sample the scene at points that fit no grid. `PointSampler` reads a high-resolution
image there with bilinear weights. Because each point touches one 2×2 block, the normal matrix
``S^T diag(w) S`` of any number of frames has only nine diagonals: `NormalEquations` adds it up into a `Stencil`, so
a solver's step costs the same for 7 frames as for 70. Sums over scattered points repeat exactly: in integers, which
give the same bytes in any order on parallel hardware, or, in float64 on processors, one point after the other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.kernels import kernel
from vsr.observation.stencil import Stencil

__all__ = [
    "SAMPLE_COUPLINGS",
    "NormalEquations",
    "PointSampler",
    "add_up_samples",
    "lie_inside",
    "read_residual",
    "read_residual_with_slopes",
    "read_samples",
    "read_with_slopes",
]

SAMPLE_COUPLINGS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Neighbours that samples join: those of one 2×2 block, as offsets of `Stencil`."""

_PRODUCTS = 9
_AT_BORDER_PX = 0.01  # outside by no more counts as at the border: positions are rounded


def _fixed_point(dtype: torch.dtype) -> tuple[torch.dtype, float]:
    """Integer type and step of sums: float32 to 2^11 in steps of 1e-6, float64 to 2^25 in steps of 4e-12."""
    return (torch.int64, float(1 << 38)) if dtype == torch.float64 else (torch.int32, float(1 << 20))


class _Sums:
    """Sums over the cells of an image that give the same bytes every time."""

    def __init__(self, count: int, size_yx: tuple[int, int], dtype: torch.dtype, device: torch.device) -> None:
        self._size, self._dtype = size_yx, dtype
        # A processor's index_add_ goes through the points in their order, whatever the number of threads, and takes
        # a third of the time of integers, which order does not matter to.
        self._is_ordered = dtype == torch.float64 and device.type == "cpu"
        kind, self._step = (dtype, 1.0) if self._is_ordered else _fixed_point(dtype)
        self._totals = torch.zeros((count, size_yx[0] * size_yx[1]), dtype=kind, device=device)

    def add(self, number: int, cells: Tensor, values: Tensor) -> None:
        """Add ``values`` ``(N,)`` to the ``cells`` ``(N,)`` of sum ``number``."""
        total = self._totals[number]
        if self._is_ordered:
            total.index_add_(0, cells, values)
        else:
            total.scatter_add_(0, cells, values.mul(self._step).round_().to(total.dtype))

    def read(self, number: int) -> Tensor:
        """Sum ``number`` as an ``(H, W)`` image."""
        total = self._totals[number].reshape(self._size)
        return total.clone() if self._is_ordered else total.to(self._dtype).div_(self._step)


def lie_inside(rows: Tensor, cols: Tensor, size_yx: tuple[int, int]) -> Tensor:
    """Whether places, any shape, lie within the rectangle of pixel centres of an image, or as good as at its border."""
    below, beyond = -_AT_BORDER_PX, _AT_BORDER_PX - 1
    return (rows >= below) & (rows <= size_yx[0] + beyond) & (cols >= below) & (cols <= size_yx[1] + beyond)


class PointSampler:
    """Bilinear reading of an ``(H, W)`` image at ``N`` points.

    ``rows`` and ``cols`` are ``(N,)`` in pixel indices (pixel centres at whole numbers). Points outside the
    rectangle of pixel centres read 0 and write nothing; `inside` tells which are in. The image must be at
    least 2×2.
    """

    def __init__(self, rows: Tensor, cols: Tensor, size_yx: tuple[int, int]) -> None:
        height, width = size_yx
        if min(height, width) < 2:
            raise ValueError(f"bilinear reading needs at least 2x2 pixels, got {height}x{width}")
        self._size = size_yx
        self.inside = lie_inside(rows, cols, size_yx)
        """``(N,)`` bool: points within the image."""
        rows, cols = rows.clamp(0, height - 1), cols.clamp(0, width - 1)
        top, left = rows.floor().clamp(max=height - 2), cols.floor().clamp(max=width - 2)
        self._cells = top.to(torch.int64) * width + left.to(torch.int64)
        self._down, self._right = rows - top, cols - left  # position within the 2x2 block, 0…1

    def A(self, image: Tensor) -> Tensor:  # noqa: N802
        """Values of ``image`` ``(H, W)`` at the points, ``(N,)``."""
        (upper_left, upper_right), (lower_left, lower_right) = self._corners(image)
        upper = torch.lerp(upper_left, upper_right, self._right)
        lower = torch.lerp(lower_left, lower_right, self._right)
        return torch.lerp(upper, lower, self._down) * self.inside

    def with_slopes(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`A`, and the derivatives of the reading along rows and columns, per pixel, ``(N,)`` each.

        The derivatives are those of the bilinear surface within the points' blocks, also for points outside.
        """
        (upper_left, upper_right), (lower_left, lower_right) = self._corners(image)
        upper = torch.lerp(upper_left, upper_right, self._right)
        lower = torch.lerp(lower_left, lower_right, self._right)
        along = torch.lerp(upper_right.sub_(upper_left), lower_right.sub_(lower_left), self._down)
        return torch.lerp(upper, lower, self._down) * self.inside, lower.sub_(upper), along

    def _corners(self, image: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The pixels of the points' 2×2 blocks, row by row."""
        flat, width = image.reshape(-1), self._size[1]
        upper, lower = (
            (flat[start:].index_select(0, self._cells), flat[start + 1 :].index_select(0, self._cells))
            for start in (0, width)
        )
        return upper, lower

    def A_adjoint(self, values: Tensor) -> Tensor:  # noqa: N802
        """The transpose of `A`: ``(N,)`` values spread onto an ``(H, W)`` image of their type."""
        sums = _Sums(1, self._size, values.dtype, values.device)
        self._spread(sums, 0, values)
        return sums.read(0)

    def _spread(self, sums: _Sums, number: int, values: Tensor) -> None:
        masked, width = values * self.inside, self._size[1]
        lower = masked * self._down
        upper = masked - lower
        for shift, row in ((0, upper), (width, lower)):
            beside = row * self._right
            sums.add(number, self._cells + shift, row - beside)
            sums.add(number, self._cells + shift + 1, beside)


class NormalEquations:
    """``S^T diag(w) S`` and ``S^T diag(w) y``, added up over the samples of any number of frames.

    Sums are exact to 1e-6 of a weight in float32; a pixel can take a total weight of 2000.
    """

    def __init__(self, size_yx: tuple[int, int], dtype: torch.dtype, device: torch.device) -> None:
        self._size = size_yx
        self._sums = _Sums(_PRODUCTS + 1, size_yx, dtype, device)

    def add(self, sampler: PointSampler, weights: Tensor, values: Tensor) -> None:
        """Samples ``values`` ``(N,)`` at the sampler's points, with ``weights`` ``(N,)``, not negative."""
        masked = weights * sampler.inside
        below, beside = sampler._down, sampler._right
        along_x = ((1 - beside) ** 2, (1 - beside) * beside, beside**2)
        for i, row in enumerate(((1 - below) ** 2, (1 - below) * below, below**2)):
            weighted = masked * row
            for j, column in enumerate(along_x):
                self._sums.add(3 * i + j, sampler._cells, weighted * column)
        sampler._spread(self._sums, _PRODUCTS, weights * values)

    def matrix(self) -> Stencil:
        """``S^T diag(w) S``."""
        return _combine([[self._sums.read(3 * i + j) for j in range(3)] for i in range(3)])

    def right_side(self) -> Tensor:
        """``S^T diag(w) y``, ``(H, W)``."""
        return self._sums.read(_PRODUCTS)


def _combine(sums: list[list[Tensor]]) -> Stencil:
    """Products of corner weights, summed per 2×2 block, added up to the diagonals that they belong to.

    ``sums[i][j]`` holds row product ``i`` times column product ``j``; 0: first with itself, 1: first with
    second, 2: second with itself. Blocks are indexed by their upper left pixel.
    """
    centre = sums[0][0].clone()
    centre[:, 1:] += sums[0][2][:, :-1]
    centre[1:] += sums[2][0][:-1]
    centre[1:, 1:] += sums[2][2][:-1, :-1]
    right = sums[0][1].clone()
    right[1:] += sums[2][1][:-1]
    down = sums[1][0].clone()
    down[:, 1:] += sums[1][2][:, :-1]
    down_right = sums[1][1]
    down_left = torch.zeros_like(down_right)
    down_left[:, 1:] = down_right[:, :-1]
    return Stencil(centre, {(0, 1): right, (1, 0): down, (1, 1): down_right, (1, -1): down_left})


def _samplers(rows: Tensor, cols: Tensor, size_yx: tuple[int, int]) -> list[PointSampler]:
    places = zip(rows, cols, strict=True)
    return [PointSampler(row.reshape(-1), col.reshape(-1), size_yx) for row, col in places]


def _size(image: Tensor) -> tuple[int, int]:
    return int(image.shape[0]), int(image.shape[1])


@kernel("vsr.kernels.reading")
def read_samples(image: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """`PointSampler.A` for several frames: ``image`` ``(H, W)`` read at ``(K, h, w)`` finite places, ``(K, h, w)``."""
    samplers = _samplers(rows, cols, _size(image))
    return torch.stack([sampler.A(image) for sampler in samplers]).reshape(rows.shape)


@kernel("vsr.kernels.reading")
def read_with_slopes(image: Tensor, rows: Tensor, cols: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`PointSampler.with_slopes` for several frames; ``(K, h, w)`` each."""
    parts = zip(*(sampler.with_slopes(image) for sampler in _samplers(rows, cols, _size(image))), strict=True)
    value, along_rows, along_cols = (torch.stack(part).reshape(rows.shape) for part in parts)
    return value, along_rows, along_cols


@kernel("vsr.kernels.reading")
def read_residual(image: Tensor, rows: Tensor, cols: Tensor, frames: Tensor) -> Tensor:
    """``frames`` ``(K, h, w)`` minus `read_samples`; 0 at places outside."""
    return (frames - read_samples.reference(image, rows, cols)) * lie_inside(rows, cols, _size(image))


@kernel("vsr.kernels.reading")
def read_residual_with_slopes(
    image: Tensor, rows: Tensor, cols: Tensor, frames: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """`read_residual`, and the slopes of `read_with_slopes`; ``(K, h, w)`` each."""
    values, along_rows, along_cols = read_with_slopes.reference(image, rows, cols)
    return (frames - values) * lie_inside(rows, cols, _size(image)), along_rows, along_cols


@kernel("vsr.kernels.equations")
def add_up_samples(
    rows: Tensor, cols: Tensor, weights: Tensor, values: Tensor, size_yx: tuple[int, int]
) -> tuple[Tensor, ...]:
    """`NormalEquations` of frames ``(K, h, w)``: the matrix's diagonal, its couplings, and the right side, ``(H, W)``.

    Couplings are to the right, down, down to the right and down to the left.
    """
    total = NormalEquations(size_yx, values.dtype, values.device)
    for sampler, weight, value in zip(_samplers(rows, cols, size_yx), weights, values, strict=True):
        total.add(sampler, weight.reshape(-1), value.reshape(-1))
    matrix = total.matrix()
    return matrix.centre, *(matrix.couplings[offset] for offset in SAMPLE_COUPLINGS), total.right_side()
