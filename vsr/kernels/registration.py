"""Steps of registering two images: outliers replaced, one image laid on the other, and the equations of a step."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.kernels.jit import Array, array, jit
from vsr.kernels.reading import read_spline_at

__all__ = ["lay_on", "replace_impulses", "step_products"]

_NONE, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_FRAME = 4  # pixels repeated around an image
_BRIGHTNESS = 3  # rows of equations behind those of the motion: gain, offset, and the right side


@jit
def _smaller(a: np.float32, b: np.float32) -> np.float32:
    return a if a < b else b


@jit
def _larger(a: np.float32, b: np.float32) -> np.float32:
    return b if a < b else a


@jit
def _sort_columns(above: Array, here: Array, below: Array, columns: Array) -> None:
    """Lowest, middle and highest of three rows, with the border repeated to either side."""
    width = here.size
    low, middle, high = columns[0, 1 : width + 1], columns[1, 1 : width + 1], columns[2, 1 : width + 1]
    for i in range(width):
        a, b, c = above[i], here[i], below[i]
        small, large = _smaller(a, b), _larger(a, b)
        between = _smaller(large, c)
        low[i], middle[i], high[i] = _smaller(small, between), _larger(small, between), _larger(large, c)
    for k in range(3):
        columns[k, 0], columns[k, width + 1] = columns[k, 1], columns[k, width]


@jit
def _replace(
    image: Array, least_step: np.float32, step_share: np.float32, columns: Array, filled: Array, good: Array
) -> None:
    height, width = image.shape
    for y in range(height):
        _sort_columns(image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)], columns)
        low, middle, high = columns[0], columns[1], columns[2]
        row, new, mask = image[y], filled[y], good[y]
        for i in range(width):
            small, large = _smaller(low[i], low[i + 1]), _larger(low[i], low[i + 1])
            between = _smaller(large, low[i + 2])
            next_low, highest_low = _larger(small, between), _larger(large, low[i + 2])
            small, large = _smaller(middle[i], middle[i + 1]), _larger(middle[i], middle[i + 1])
            between = _smaller(large, middle[i + 2])
            least_middle, middle_middle = _smaller(small, between), _larger(small, between)
            most_middle = _larger(large, middle[i + 2])
            small, large = _smaller(high[i], high[i + 1]), _larger(high[i], high[i + 1])
            between = _smaller(large, high[i + 2])
            lowest_high, next_high = _smaller(small, between), _larger(small, between)
            small, large = _smaller(highest_low, middle_middle), _larger(highest_low, middle_middle)
            median = _larger(small, _smaller(large, lowest_high))
            second_low, second_high = _smaller(next_low, least_middle), _larger(next_high, most_middle)
            step = _larger(row[i] - second_high, second_low - row[i])
            is_impulse = step > least_step + step_share * (second_high - second_low)
            new[i] = median if is_impulse else row[i]
            mask[i] = _NONE if is_impulse else _ONE


def replace_impulses(image: Tensor, least_step: float, step_share: float) -> tuple[Tensor, Tensor]:
    """See `vsr.registration.impulses.replace_impulses`."""
    both = torch.empty((2, *image.shape))
    filled, good = array(both)
    columns = np.empty((3, image.shape[1] + 2), np.float32)
    _replace(array(image), np.float32(least_step), np.float32(step_share), columns, filled, good)
    return both[0], both[1]


@jit
def _lay(
    padded: Array,
    smooth: Array,
    weights: Array,
    matrix: NDArray[np.float64],
    margin: np.float32,
    nearest: np.float32,
    gain: np.float32,
    offset: np.float32,
    laid: Array,
) -> None:
    height, width = smooth.shape
    last_row, last_col = np.float32(height - 1) - margin, np.float32(width - 1) - margin
    is_tilted = matrix[2, 0] != 0 or matrix[2, 1] != 0
    rows, cols = np.empty(width, np.float32), np.empty(width, np.float32)
    counts = np.empty(width, np.float32)
    values = np.empty((2, width), np.float32)
    for y in range(height):
        for x in range(width):
            col = matrix[0, 0] * x + (matrix[0, 1] * y + matrix[0, 2])
            row = matrix[1, 0] * x + (matrix[1, 1] * y + matrix[1, 2])
            counts[x] = _ONE
            if is_tilted:
                depth = np.float32(matrix[2, 0] * x + (matrix[2, 1] * y + matrix[2, 2]))
                counts[x] = _ONE if depth > nearest else _NONE
                over = np.float64(_larger(depth, nearest))
                col, row = col / over, row / over
            rows[x], cols[x] = np.float32(row), np.float32(col)
        read_spline_at(padded, (height, width), (rows, cols), values)
        for x in range(width):
            is_within = (rows[x] >= margin) & (rows[x] <= last_row) & (cols[x] >= margin) & (cols[x] <= last_col)
            laid[0, y, x] = values[0, x]
            laid[1, y, x] = smooth[y, x] - gain * values[0, x] - offset
            laid[2, y, x] = weights[y, x] * values[1, x] * counts[x] if is_within else _NONE


def lay_on(
    smooth: Tensor,
    weights: Tensor,
    other: Tensor,
    matrix: tuple[float, ...],
    margin_px: float,
    nearest: float,
    gain: float,
    offset: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `vsr.registration.gauss_newton.lay_on`."""
    padded = array(torch.nn.functional.pad(other[None], (_FRAME,) * 4, mode="replicate")).reshape(2, -1)
    laid, entries = torch.empty((3, *smooth.shape)), np.array(matrix, dtype=np.float64).reshape(3, 3)
    bounds = np.float32(margin_px), np.float32(nearest)
    _lay(padded, array(smooth), array(weights), entries, *bounds, np.float32(gain), np.float32(offset), array(laid))
    return laid[0], laid[1], laid[2]


@jit
def _fill_rows(
    gradient_x: Array, gradient_y: Array, places: Array, moved: Array, residual: Array, count: int, rows: Array
) -> None:
    """How the residual of one row of pixels changes with each of ``count`` parameters of the motion, and brightness."""
    x, y = places[0], places[1]
    for i in range(residual.size):
        along, down = gradient_x[i], gradient_y[i]
        if count == 2:
            rows[0, i], rows[1, i] = along, down
        else:
            rows[0, i], rows[1, i], rows[2, i] = along * x[i], along * y[i], along
            rows[3, i], rows[4, i], rows[5, i] = down * x[i], down * y[i], down
    if count == 8:
        for i in range(residual.size):
            radial = -(rows[0, i] + rows[4, i])
            rows[6, i], rows[7, i] = radial * x[i], radial * y[i]
    for i in range(residual.size):
        rows[count, i], rows[count + 1, i], rows[count + 2, i] = moved[i], _ONE, residual[i]


@jit
def _weigh_row(residual: Array, weights: Array, reach: np.float32, robust: Array, sums: Array) -> None:
    """Weights by Geman and McClure of one row, added up with their slopes, ψ(r)/r and ψ'(r)."""
    for i in range(residual.size):
        scaled = residual[i] / reach
        squared = scaled * scaled
        beyond = _ONE + squared
        weight = weights[i] / (beyond * beyond)
        robust[i] = weight
        sums[0, i] += weight
        sums[1, i] += weight * (_ONE - np.float32(3) * squared) / beyond


@jit
def _add_products(rows: Array, robust: Array, weighted: Array, products: Array) -> None:
    """Products of each two rows, column by column, as a triangle."""
    number = 0
    for i in range(rows.shape[0] - 1):
        for x in range(robust.size):
            weighted[x] = rows[i, x] * robust[x]
        for j in range(i, rows.shape[0]):
            target, other = products[number], rows[j]
            for x in range(robust.size):
                target[x] += weighted[x] * other[x]
            number += 1


@jit
def _step(
    gradients: Array,
    places: Array,
    moved: Array,
    residual: Array,
    weights: Array,
    slope: np.float32,
    reach: np.float32,
    count: int,
    products: Array,
    sums: Array,
) -> None:
    height, width = residual.shape
    rows = np.empty((count + _BRIGHTNESS, width), np.float32)
    robust, weighted = np.empty(width, np.float32), np.empty(width, np.float32)
    along, down = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(height):
        here, first, second = moved[y], gradients[0, y], gradients[1, y]
        above, below = moved[max(y - 1, 0)], moved[min(y + 1, height - 1)]
        steepness = slope if 0 < y < height - 1 else _NONE
        for x in range(width):
            down[x] = _HALF * (steepness * (below[x] - above[x]) + second[x])
        for x in range(1, width - 1):
            along[x] = _HALF * (slope * (here[x + 1] - here[x - 1]) + first[x])
        along[0], along[width - 1] = _HALF * first[0], _HALF * first[width - 1]
        _fill_rows(along, down, places[:, y], here, residual[y], count, rows)
        _weigh_row(residual[y], weights[y], reach, robust, sums)
        _add_products(rows, robust, weighted, products)


def step_products(
    gradients: Tensor,
    places: Tensor,
    moved: Tensor,
    residual: Tensor,
    weights: Tensor,
    slope: float,
    reach: float,
    count: int,
) -> tuple[Tensor, Tensor]:
    """See `vsr.registration.gauss_newton.step_products`."""
    size, width = count + _BRIGHTNESS, int(residual.shape[1])
    triangle, sums = np.zeros((size * (size + 1) // 2 - 1, width), np.float32), np.zeros((2, width), np.float32)
    level, laid = (array(gradients), array(places)), (array(moved), array(residual), array(weights))
    _step(*level, *laid, np.float32(slope), np.float32(reach), count, triangle, sums)
    totals, products = triangle.sum(1, dtype=np.float64), np.empty((size, size))
    upper = np.triu_indices(size)
    products[upper] = np.append(totals, 0.0)
    products.T[upper] = products[upper]
    return torch.from_numpy(products[:-1].astype(np.float32)), torch.from_numpy(
        sums.sum(1, dtype=np.float64).astype(np.float32)
    )
