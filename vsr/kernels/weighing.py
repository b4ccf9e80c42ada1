"""How far samples count, and where they fit better, from what is left of them: one loop each."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.kernels.jit import Array, array, jit
from vsr.kernels.reading import follow

__all__ = [
    "fit_brightness",
    "registration_exponents",
    "residual_exponents",
    "solve_neighbourhoods",
    "square_off_grid",
    "weigh_samples",
]

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


@jit
def _widen(flow: Array, y: int, ranges: Array, columns: Array) -> None:
    """Let ``ranges`` grow to what a flow changes by within 3×3 pixels around those of row ``y``."""
    height, width = flow.shape
    above, here, below = flow[max(y - 1, 0)], flow[y], flow[min(y + 1, height - 1)]
    low, high = columns[0], columns[1]
    for x in range(width):
        a, b, c = above[x], here[x], below[x]
        small, large = (a, b) if a < b else (b, a)
        low[x], high[x] = c if c < small else small, c if large < c else large
    for x in range(width):
        left, right = max(x - 1, 0), min(x + 1, width - 1)
        lowest = low[left] if low[left] < low[x] else low[x]
        lowest = low[right] if low[right] < lowest else lowest
        highest = high[left] if high[x] < high[left] else high[x]
        highest = high[right] if highest < high[right] else highest
        size = highest - lowest
        ranges[x] = size if ranges[x] < size else ranges[x]


@jit
def _register(
    forward: Array, backward: Array, consistency_px: np.float32, step_px: np.float32, exponents: Array
) -> None:
    _, height, width = forward.shape
    half = np.float32(0.5)
    end_row, end_col = np.float32(height) - half, np.float32(width) - half
    columns, ranges = np.empty((2, width), np.float32), np.empty(width, np.float32)
    for y in range(height):
        ranges[:] = np.float32(0)
        _widen(forward[0], y, ranges, columns)
        _widen(forward[1], y, ranges, columns)
        for x in range(width):
            down, right = forward[0, y, x], forward[1, y, x]
            row, col = np.float32(y) + down, np.float32(x) + right
            step = ranges[x] / step_px
            if -half < row < end_row and -half < col < end_col:
                back_rows, back_cols = follow(backward, row, col)
                miss_rows, miss_cols = (down + back_rows) / consistency_px, (right + back_cols) / consistency_px
                exponents[y, x] = -(miss_rows * miss_rows + miss_cols * miss_cols) - step * step
            else:
                exponents[y, x] = np.float32(-np.inf)


def registration_exponents(forward: Tensor, backward: Tensor, consistency_px: float, step_px: float) -> Tensor:
    """See `vsr.methods.reconstruction.reconstruct.registration_exponents`."""
    exponents = torch.empty(forward.shape[1:])
    limits = np.float32(consistency_px), np.float32(step_px)
    _register(array(forward), array(backward), *limits, array(exponents))
    return exponents


@jit
def _measure(
    rows: Array, cols: Array, scale_y: np.float32, scale_x: np.float32, offset: np.float32, result: Array
) -> None:
    half = np.float32(0.5)
    for n in range(rows.size):
        row, col = (rows[n] + half) / scale_y - half - offset, (cols[n] + half) / scale_x - half - offset
        row, col = row - np.rint(row), col - np.rint(col)
        result[n] = row * row + col * col


def square_off_grid(rows: Tensor, cols: Tensor, scale_yx: tuple[float, float], offset_px: float) -> Tensor:
    """See `vsr.methods.reconstruction.reconstruct.square_off_grid`."""
    result = torch.empty_like(rows, memory_format=torch.contiguous_format)
    scales = np.float32(scale_yx[0]), np.float32(scale_yx[1])
    _measure(
        array(rows).reshape(-1), array(cols).reshape(-1), *scales, np.float32(offset_px), array(result).reshape(-1)
    )
    return result


@jit
def _median(values: NDArray[np.float64]) -> float:
    """The lower of the two middle ones where there is no middle."""
    middle = (values.size - 1) // 2
    return float(np.partition(values, middle)[middle])


@jit
def _fit(
    reference: Array, other: Array, confidence: Array, most_steps: int, converged: float, limit: float, spread: float
) -> tuple[float, float]:
    count = reference.size
    known = np.empty(count, np.float64)
    seen, total = 0, 0.0
    for n in range(count):
        total += np.float64(confidence[n])
        if confidence[n] > 0:
            known[seen] = np.float64(reference[n]) - np.float64(other[n])
            seen += 1
    if total < 1e-6:
        return 1.0, 0.0
    gain, offset = 1.0, _median(known[:seen])
    residual = np.empty(count, np.float64)
    for _ in range(most_steps):
        for n in range(count):
            residual[n] = abs(np.float64(reference[n]) - gain * np.float64(other[n]) - offset)
        reach = 2 * (1.4826 * _median(residual) + 1e-3)
        weights, sum_r, sum_o = 0.0, 0.0, 0.0
        for n in range(count):
            ratio = residual[n] / reach
            beyond = 1 + ratio * ratio
            residual[n] = np.float64(confidence[n]) / (beyond * beyond)
            weights += residual[n]
            sum_r += residual[n] * np.float64(reference[n])
            sum_o += residual[n] * np.float64(other[n])
        weights = max(weights, 1e-9)
        mean_r, mean_o = sum_r / weights, sum_o / weights
        square, product = 0.0, 0.0
        for n in range(count):
            centred = np.float64(other[n]) - mean_o
            square += residual[n] * centred * centred
            product += residual[n] * centred * (np.float64(reference[n]) - mean_r)
        variance = square / weights
        slope = 1.0 if variance < spread * spread else product / weights / max(variance, 1e-12)
        slope = min(max(slope, 1 / limit), limit)
        new_offset = mean_r - slope * mean_o
        change = max(abs(slope - gain), abs(new_offset - offset))
        gain, offset = slope, new_offset
        if change < converged:
            break
    return gain, offset


def fit_brightness(
    reference: Tensor, other: Tensor, weights: Tensor, most_steps: int, converged: float, limit: float, spread: float
) -> tuple[Tensor, Tensor]:
    """See `vsr.registration.brightness.fit_brightness`."""
    gain, offset = _fit(array(reference), array(other), array(weights), most_steps, converged, limit, spread)
    return torch.tensor(gain, dtype=reference.dtype), torch.tensor(offset, dtype=reference.dtype)
