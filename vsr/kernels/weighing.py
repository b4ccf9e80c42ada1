"""How far samples count, and where they fit better, from what is left of them: one loop each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vsr.kernels.jit import Array, array, jit

__all__ = ["residual_exponents", "solve_neighbourhoods", "weigh_samples"]

_ONE, _TINY = np.float32(1), np.float32(np.finfo(np.float32).tiny)
_LEAST = np.float32(1e-20)


@jit
def _weigh(residual: Array, confidence: Array, bound: np.float32, far: np.float32, weights: Array) -> None:
    for n in range(residual.size):
        size = abs(residual[n])
        size = _LEAST if size < _LEAST else size
        near, beyond = bound / size, far / size
        near, beyond = _ONE if near > _ONE else near, _ONE if beyond > _ONE else beyond
        weights[n] = confidence[n] * (near * (beyond * beyond))


def weigh_samples(residual: Tensor, confidence: Tensor, sigma: float, huber: float, defect: float) -> Tensor:
    """See `vsr.solvers.huber_btv.weigh_samples`."""
    weights = torch.empty_like(residual, memory_format=torch.contiguous_format)
    bound, far = np.float32(huber * sigma), np.float32(defect * huber * sigma)
    _weigh(array(residual).reshape(-1), array(confidence).reshape(-1), bound, far, array(weights).reshape(-1))
    return weights


@jit
def _judge(
    mean_square: Array, contrast: Array, levels: Array, tolerance: np.float32, share: np.float32, exponents: Array
) -> None:
    for k in range(levels.size):
        square, range_, result, level = mean_square[k], contrast[k], exponents[k], levels[k]
        for i in range(square.size):
            allowed = (range_[i] * share + level) * tolerance
            result[i] = np.float32(-0.5) * square[i] / (allowed * allowed)


def residual_exponents(
    mean_square: Tensor, contrast: Tensor, levels: Tensor, tolerance: float, contrast_share: float
) -> Tensor:
    """See `vsr.solvers.confidence.residual_exponents`."""
    exponents = torch.empty_like(mean_square, memory_format=torch.contiguous_format)
    squares, ranges, results = (array(one).reshape(len(levels), -1) for one in (mean_square, contrast, exponents))
    _judge(squares, ranges, array(levels), np.float32(tolerance), np.float32(contrast_share), results)
    return exponents


@jit
def _multiply(residual: Array, slope_y: Array, slope_x: Array, weights: Array, products: Array) -> None:
    """The five products of one row that are averaged."""
    for i in range(residual.size):
        weighted_y, weighted_x = weights[i] * slope_y[i], weights[i] * slope_x[i]
        products[0, i] = weighted_y * slope_y[i]
        products[1, i] = weighted_y * slope_x[i]
        products[2, i] = weighted_x * slope_x[i]
        products[3, i] = weighted_y * residual[i]
        products[4, i] = weighted_x * residual[i]


@jit
def _average_row(sums: Array, radius: int, padded: Array, result: Array) -> None:
    """Means along a row of the sums down the columns, the border repeated."""
    width, share = result.size, _ONE / np.float32((2 * radius + 1) ** 2)
    for i in range(width):
        padded[radius + i] = np.float32(sums[i])
        result[i] = np.float32(sums[i])
    for k in range(radius):
        padded[k], padded[radius + width + k] = padded[radius], padded[radius + width - 1]
    for k in range(2 * radius + 1):
        if k == radius:
            continue
        shifted = padded[k : k + width]
        for i in range(width):
            result[i] += shifted[i]
    for i in range(width):
        result[i] *= share


@jit
def _solve_row(means: Array, damping: np.float32, limit: np.float32, rows: Array, cols: Array) -> None:
    yy, yx, xx, ry, rx = means[0], means[1], means[2], means[3], means[4]
    for i in range(rows.size):
        down, across = yy[i] + damping, xx[i] + damping
        determinant = down * across - yx[i] * yx[i]
        determinant = _TINY if determinant < _TINY else determinant
        row, col = (across * ry[i] - yx[i] * rx[i]) / determinant, (down * rx[i] - yx[i] * ry[i]) / determinant
        row, col = limit if row > limit else row, limit if col > limit else col
        rows[i], cols[i] = -limit if row < -limit else row, -limit if col < -limit else col


@jit
def _refine(
    residual: Array,
    slope_y: Array,
    slope_x: Array,
    weights: Array,
    window: int,
    damping: np.float32,
    limit: np.float32,
    steps: Array,
) -> None:
    count, height, width = residual.shape
    radius = window // 2
    size = 2 * radius + 2
    ring = np.empty((size, 5, width), np.float32)
    means, padded = np.empty((5, width), np.float32), np.empty(width + 2 * radius, np.float32)
    sums = np.empty((5, width), np.float64)
    for k in range(count):
        for p in range(5):
            for i in range(width):
                sums[p, i] = 0.0
        for y in range(-radius, height + radius):
            entering, leaving = min(max(y, 0), height - 1), max(y - 2 * radius - 1, 0)
            if y == -radius or 0 < y < height:
                _multiply(
                    residual[k, entering],
                    slope_y[k, entering],
                    slope_x[k, entering],
                    weights[k, entering],
                    ring[entering % size],
                )
            for p in range(5):
                total, new, old = sums[p], ring[entering % size, p], ring[leaving % size, p]
                if y > radius:
                    for i in range(width):
                        total[i] += np.float64(new[i]) - np.float64(old[i])
                else:
                    for i in range(width):
                        total[i] += np.float64(new[i])
            if y >= radius:
                for p in range(5):
                    _average_row(sums[p], radius, padded, means[p])
                _solve_row(means, damping, limit, steps[0, k, y - radius], steps[1, k, y - radius])


def solve_neighbourhoods(
    residual: Tensor, slopes_yx: tuple[Tensor, Tensor], weights: Tensor, damping: float, limit_px: float, window: int
) -> tuple[Tensor, Tensor]:
    """See `vsr.registration.refine.solve_neighbourhoods`."""
    steps = torch.empty((2, *residual.shape))
    slope_y, slope_x = map(array, slopes_yx)
    damping_, limit = np.float32(damping), np.float32(limit_px)
    _refine(array(residual), slope_y, slope_x, array(weights), window, damping_, limit, array(steps))
    return steps[0], steps[1]
