"""The equations of reconstruction: put together from samples and prior, and solved, in few passes over memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.kernels.jit import Array, array, jit
from vsr.kernels.reading import check_size, clamped, is_within

__all__ = ["add_up_samples", "bilateral_maps", "solve_normal_equations"]

_NONE, _ONE = np.float32(0), np.float32(1)
_TINY = 1e-30

Offsets = tuple[tuple[int, int], ...]
Matrix = tuple[Array, Array, NDArray[np.int64]]
"""Diagonal ``(H, W)``, couplings ``(n, H, W)`` and their offsets ``(n, 2)``."""

Rings = tuple[Array, Array, Array, Array]


_CENTRE, _RIGHT, _DOWN, _DOWN_RIGHT, _DOWN_LEFT, _SPREAD = range(6)
_SUMS = 6


@jit
def _add_up(rows: Array, cols: Array, weights: Array, values: Array, size_yx: tuple[int, int], sums: Array) -> None:
    """Add samples to ``sums``, where those of one pixel lie side by side: a sample touches two pieces of memory."""
    height, width = size_yx
    last_row, last_col = np.float32(height - 1), np.float32(width - 1)
    for n in range(rows.size):
        if not is_within(rows[n], cols[n], last_row, last_col):
            continue
        row, col = clamped(rows[n], last_row), clamped(cols[n], last_col)
        y, x = min(np.int32(row), np.int32(height - 2)), min(np.int32(col), np.int32(width - 2))
        b, q = row - np.float32(y), col - np.float32(x)
        a, p = _ONE - b, _ONE - q
        one, two, three, four = a * p, a * q, b * p, b * q
        weight, value = weights[n], values[n]
        w1, w2, w3, w4 = weight * one, weight * two, weight * three, weight * four
        cell = np.int64(y) * width + x
        i, j = np.uintp(_SUMS * cell), np.uintp(_SUMS * (cell + 1))
        k, m = np.uintp(_SUMS * (cell + width)), np.uintp(_SUMS * (cell + width + 1))
        sums[i + np.uintp(_CENTRE)] += w1 * one
        sums[i + np.uintp(_RIGHT)] += w1 * two
        sums[i + np.uintp(_DOWN)] += w1 * three
        sums[i + np.uintp(_DOWN_RIGHT)] += w1 * four
        sums[i + np.uintp(_SPREAD)] += w1 * value
        sums[j + np.uintp(_CENTRE)] += w2 * two
        sums[j + np.uintp(_DOWN)] += w2 * four
        sums[j + np.uintp(_DOWN_LEFT)] += w2 * three
        sums[j + np.uintp(_SPREAD)] += w2 * value
        sums[k + np.uintp(_CENTRE)] += w3 * three
        sums[k + np.uintp(_RIGHT)] += w3 * four
        sums[k + np.uintp(_SPREAD)] += w3 * value
        sums[m + np.uintp(_CENTRE)] += w4 * four
        sums[m + np.uintp(_SPREAD)] += w4 * value


@jit
def _separate(sums: Array, maps: Array) -> None:
    for cell in range(maps.shape[1]):
        for number in range(_SUMS):
            maps[number, cell] = sums[_SUMS * cell + number]


def add_up_samples(
    rows: Tensor, cols: Tensor, weights: Tensor, values: Tensor, size_yx: tuple[int, int]
) -> tuple[Tensor, ...]:
    """See `vsr.observation.sampling.add_up_samples`."""
    check_size(size_yx)
    sums, maps = np.zeros(_SUMS * size_yx[0] * size_yx[1], np.float32), torch.empty((_SUMS, *size_yx))
    places = array(rows).reshape(-1), array(cols).reshape(-1)
    _add_up(*places, array(weights).reshape(-1), array(values).reshape(-1), size_yx, sums)
    _separate(sums, array(maps).reshape(_SUMS, -1))
    return tuple(maps)


@jit
def _bilateral(x: Array, offsets: NDArray[np.int64], pulls: Array, knee: np.float32, maps: Array) -> None:
    height, width = x.shape
    for y in range(height):
        for m in range(offsets.shape[0]):
            dy, dx = offsets[m, 0], offsets[m, 1]
            if y + dy < height:
                first, last = max(0, -dx), width - max(0, dx)
                here, there = x[y, first:last], x[y + dy, first + dx : last + dx]
                coupling, pull = maps[m + 1, y, first:last], -pulls[m]
                own, other = maps[0, y, first:last], maps[0, y + dy, first + dx : last + dx]
                for i in range(here.size):
                    size = abs(there[i] - here[i])
                    coupling[i] = pull / (size if size > knee else knee)
                for i in range(here.size):
                    own[i] -= coupling[i]
                for i in range(here.size):
                    other[i] -= coupling[i]


def bilateral_maps(x: Tensor, offsets: Offsets, pulls: tuple[float, ...], knee: float) -> tuple[Tensor, ...]:
    """See `vsr.priors.btv.bilateral_maps`."""
    maps = torch.zeros((1 + len(offsets), *x.shape))
    _bilateral(array(x), _table(offsets), np.array(pulls, dtype=np.float32), np.float32(knee), array(maps))
    return tuple(maps)


@jit
def _add_three_pairs(taps: Array, a: Array, b: Array, c: Array, d: Array, e: Array, f: Array, result: Array) -> None:
    """Add sums of two rows each, times a tap: three at a time, so that ``result`` is seldom read and written."""
    first, second, third = taps[0], taps[1], taps[2]
    for i in range(result.size):
        result[i] += first * (a[i] + b[i]) + second * (c[i] + d[i]) + third * (e[i] + f[i])


@jit
def _blur_row(row: Array, taps: Array, padded: Array, result: Array) -> None:
    """``row`` ``(W,)`` blurred, mirrored at its ends; ``taps`` to one side, in threes behind the middle one."""
    width, radius = row.size, taps.size - 1
    inner = padded[radius : radius + width]
    for i in range(width):
        inner[i] = row[i]
        result[i] = taps[0] * row[i]
    for k in range(min(radius, width)):
        padded[radius - 1 - k] = row[k]
        padded[radius + width + k] = row[width - 1 - k]
    for k in range(1, radius, 3):
        left, right = radius - k, radius + k
        _add_three_pairs(
            taps[k : k + 3],
            padded[left : left + width],
            padded[right : right + width],
            padded[left - 1 : left - 1 + width],
            padded[right + 1 : right + 1 + width],
            padded[left - 2 : left - 2 + width],
            padded[right + 2 : right + 2 + width],
            result,
        )


@jit
def _mirrored(y: int, height: int) -> int:
    y = -1 - y if y < 0 else y
    return 2 * height - 1 - y if y >= height else y


@jit
def _blur_down(ring: Array, y: int, height: int, taps: Array, radius: int, result: Array) -> None:
    """Row ``y`` of an image of which ``radius`` rows around it are in ``ring``, blurred down the columns."""
    size, row = ring.shape[0], ring[y % ring.shape[0]]
    for i in range(result.size):
        result[i] = taps[0] * row[i]
    for k in range(1, taps.size, 3):
        near, far = min(k + 1, radius), min(k + 2, radius)  # taps beyond are 0
        _add_three_pairs(
            taps[k : k + 3],
            ring[_mirrored(y - k, height) % size],
            ring[_mirrored(y + k, height) % size],
            ring[_mirrored(y - near, height) % size],
            ring[_mirrored(y + near, height) % size],
            ring[_mirrored(y - far, height) % size],
            ring[_mirrored(y + far, height) % size],
            result,
        )


@jit
def _add_weighted(weights: Array, values: Array, result: Array) -> None:
    for i in range(result.size):
        result[i] += weights[i] * values[i]


@jit
def _add_product(
    centre: Array, couplings: Array, offsets: NDArray[np.int64], ring: Array, y: int, height: int, result: Array
) -> None:
    """Add row ``y`` of a stencil times an image of which the rows around it are in ``ring``."""
    width, size = result.size, ring.shape[0]
    _add_weighted(centre[y], ring[y % size], result)
    for m in range(offsets.shape[0]):
        dy, dx = offsets[m, 0], offsets[m, 1]
        first, last = max(0, -dx), width - max(0, dx)
        if y + dy < height:
            values = ring[(y + dy) % size, first + dx : last + dx]
            _add_weighted(couplings[m, y, first:last], values, result[first:last])
        if y >= dy:
            values = ring[(y - dy) % size, first:last]
            _add_weighted(couplings[m, y - dy, first:last], values, result[first + dx : last + dx])


@jit
def _multiply(
    taps_y: Array,
    taps_x: Array,
    samples: Matrix,
    prior: Matrix,
    direction: Array,
    residual: Array,
    share: np.float32,
    product: Array,
    rings: Rings,
) -> float:
    """``direction`` becomes ``residual + share · direction``, ``product`` the matrix times that; their inner product.

    One pass over the images: rows of what lies between are kept in ``rings`` as long as they are needed.
    """
    height, width = direction.shape
    across, blurred, weighted, lines = rings
    radius = (across.shape[0] - 2) // 2
    lag = weighted.shape[0] - radius - 2
    padded, row, sums = lines[0], lines[1, :width], np.zeros(width, np.float64)
    for step in range(height + radius + 1 + lag):
        if step < height:
            here, rest = direction[step], residual[step]
            for i in range(width):
                here[i] = rest[i] + share * here[i]
            _blur_row(here, taps_x, padded, across[step % across.shape[0]])
        y = step - radius
        if 0 <= y < height:
            _blur_down(across, y, height, taps_y, radius, blurred[y % 3])
        y -= 1
        if 0 <= y < height:
            for i in range(width):
                row[i] = _NONE
            _add_product(samples[0], samples[1], samples[2], blurred, y, height, row)
            _blur_row(row, taps_x, padded, weighted[y % weighted.shape[0]])
        y -= lag
        if 0 <= y < height:
            target, here = product[y], direction[y]
            _blur_down(weighted, y, height, taps_y, radius, target)
            _add_product(prior[0], prior[1], prior[2], direction, y, height, target)
            for i in range(width):
                sums[i] += np.float64(here[i] * target[i])
    return _total(sums)


@jit
def _total(sums: NDArray[np.float64]) -> float:
    total = 0.0
    for i in range(sums.size):
        total += sums[i]
    return total


@jit
def _advance(x: Array, direction: Array, residual: Array, product: Array, step: np.float32) -> float:
    """Go ``step`` along ``direction``, which the matrix makes ``product``; the square of the ``residual`` left."""
    height, width = residual.shape
    sums = np.zeros(width, np.float64)
    for y in range(height):
        here, along, rest, image = x[y], direction[y], residual[y], product[y]
        for i in range(width):
            here[i] += step * along[i]
        for i in range(width):
            rest[i] -= step * image[i]
            sums[i] += np.float64(rest[i] * rest[i])
    return _total(sums)


def _make_rings(radius: int, reach: int, taps_x: Array, width: int) -> Rings:
    """Room for the rows that `_multiply` needs at a time: blurs reach ``radius`` rows, the prior ``reach``."""
    lag = max(radius, reach)
    rows = (2 * radius + 2, 3, lag + radius + 2)
    across, blurred, weighted = (np.empty((count, width), np.float32) for count in rows)
    lines = np.zeros((2, width + 2 * taps_x.size), np.float32)  # taps of 0 may read what no row reaches
    return across, blurred, weighted, lines


def _table(offsets: Offsets) -> NDArray[np.int64]:
    return np.array(offsets, dtype=np.int64).reshape(-1, 2)


def _stacked(maps: Sequence[Tensor], like: Tensor) -> Array:
    """``maps`` as one array, where they are if they lie behind one another already."""
    if not maps:
        return np.empty((0, *like.shape), np.float32)
    first, step = maps[0], like.numel() * like.element_size()
    follow = all(one.is_contiguous() and one.data_ptr() == first.data_ptr() + n * step for n, one in enumerate(maps))
    if follow and first.untyped_storage().data_ptr() == maps[-1].untyped_storage().data_ptr():
        return array(first.as_strided((len(maps), *like.shape), (like.numel(), like.shape[1], 1)))
    return array(torch.stack(tuple(maps)))


def solve_normal_equations(
    taps: tuple[tuple[float, ...], tuple[float, ...]],
    samples: tuple[Tensor, ...],
    samples_offsets: Offsets,
    prior: tuple[Tensor, ...],
    prior_offsets: Offsets,
    right: Tensor,
    x: Tensor,
    steps: int,
) -> Tensor:
    """See `vsr.solvers.reweighted.solve_normal_equations`."""
    result = x.clone(memory_format=torch.contiguous_format)
    taps_y, taps_x = (np.array([*one, *[0.0] * (-(len(one) - 1) % 3)], dtype=np.float32) for one in taps)
    matrix = array(samples[0]), _stacked(samples[1:], x), _table(samples_offsets)
    smoothing = array(prior[0]), _stacked(prior[1:], x), _table(prior_offsets)
    rings = _make_rings(len(taps[0]) - 1, max((dy for dy, _ in prior_offsets), default=0), taps_x, x.shape[1])
    image, residual, start = array(result), array(right).copy(), array(x).copy()
    direction, product, none = np.zeros_like(image), np.empty_like(image), np.float32(0)

    def multiply(towards: Array, share: np.float32) -> float:
        return _multiply(taps_y, taps_x, matrix, smoothing, direction, towards, share, product, rings)

    multiply(start, none)
    square, share = _advance(start, direction, residual, product, np.float32(1)), none
    for _ in range(steps):
        along = multiply(residual, share)
        new_square = _advance(image, direction, residual, product, np.float32(square / (along + _TINY)))
        square, share = new_square, np.float32(new_square / (square + _TINY))
    return result
