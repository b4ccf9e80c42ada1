"""Images read at scattered places, in one loop over the places."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vsr.kernels.jit import Array, array, jit

__all__ = [
    "check_size",
    "clamped",
    "follow",
    "is_within",
    "join_flows",
    "read_residual",
    "read_residual_with_slopes",
    "read_samples",
    "read_spline",
    "read_spline_at",
    "read_with_slopes",
    "round_trip_error",
]

_AT_BORDER_PX = np.float32(0.01)
_NONE, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_TWO = np.float32(2)
_FRAME = 4  # pixels repeated around an image
_FAR = np.float32(1e8)  # positions beyond are no indices


def check_size(size_yx: tuple[int, ...]) -> None:
    """Refuse images without a 2×2 block, outside of which loops would read and write. Raises ValueError."""
    if min(size_yx) < 2:
        raise ValueError(f"bilinear reading needs at least 2x2 pixels, got {'x'.join(map(str, size_yx))}")


@jit
def is_within(row: np.float32, col: np.float32, last_row: np.float32, last_col: np.float32) -> bool:
    """Whether a place lies in the rectangle of pixel centres from 0, or as good as at its border."""
    low, near = -_AT_BORDER_PX, _AT_BORDER_PX
    return bool((row >= low) & (row <= last_row + near) & (col >= low) & (col <= last_col + near))


@jit
def clamped(value: np.float32, last: np.float32) -> np.float32:
    """``value`` in 0…``last``; 0 where it is not a number."""
    value = value if value > _NONE else _NONE
    return value if value < last else last


@jit
def _read(image: Array, rows: Array, cols: Array, values: Array) -> None:
    height, width = image.shape
    flat, last_row, last_col = image.reshape(-1), np.float32(height - 1), np.float32(width - 1)
    for n in range(rows.size):
        is_inside = is_within(rows[n], cols[n], last_row, last_col)
        row, col = clamped(rows[n], last_row), clamped(cols[n], last_col)
        top, left = min(np.int32(row), np.int32(height - 2)), min(np.int32(col), np.int32(width - 2))
        down, right = row - np.float32(top), col - np.float32(left)
        cell = top * width + left
        first, third = flat[np.uintp(cell)], flat[np.uintp(cell + width)]
        upper = first + right * (flat[np.uintp(cell + 1)] - first)
        lower = third + right * (flat[np.uintp(cell + width + 1)] - third)
        values[n] = upper + down * (lower - upper) if is_inside else _NONE


@jit
def _read_with_slopes(
    image: Array, rows: Array, cols: Array, values: Array, along_rows: Array, along_cols: Array
) -> None:
    height, width = image.shape
    flat, last_row, last_col = image.reshape(-1), np.float32(height - 1), np.float32(width - 1)
    for n in range(rows.size):
        is_inside = is_within(rows[n], cols[n], last_row, last_col)
        row, col = clamped(rows[n], last_row), clamped(cols[n], last_col)
        top, left = min(np.int32(row), np.int32(height - 2)), min(np.int32(col), np.int32(width - 2))
        down, right = row - np.float32(top), col - np.float32(left)
        cell = top * width + left
        first, third = flat[np.uintp(cell)], flat[np.uintp(cell + width)]
        above, below = flat[np.uintp(cell + 1)] - first, flat[np.uintp(cell + width + 1)] - third
        upper, lower = first + right * above, third + right * below
        values[n] = upper + down * (lower - upper) if is_inside else _NONE
        along_rows[n] = lower - upper
        along_cols[n] = above + down * (below - above)


def read_samples(image: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """See `vsr.observation.sampling.read_samples`."""
    check_size(image.shape)
    values = torch.empty_like(rows, memory_format=torch.contiguous_format)
    _read(array(image), array(rows).reshape(-1), array(cols).reshape(-1), array(values).reshape(-1))
    return values


def read_with_slopes(image: Tensor, rows: Tensor, cols: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """See `vsr.observation.sampling.read_with_slopes`."""
    check_size(image.shape)
    results = torch.empty((3, *rows.shape), dtype=rows.dtype)
    values, along_rows, along_cols = array(results).reshape(3, -1)
    _read_with_slopes(array(image), array(rows).reshape(-1), array(cols).reshape(-1), values, along_rows, along_cols)
    return results[0], results[1], results[2]


@jit
def _subtract(
    rows: Array, cols: Array, last_row: np.float32, last_col: np.float32, frames: Array, values: Array
) -> None:
    """``values``, that were read, become ``frames`` minus them; 0 outside."""
    for n in range(rows.size):
        values[n] = frames[n] - values[n] if is_within(rows[n], cols[n], last_row, last_col) else _NONE


def _take_off(image: Tensor, rows: Tensor, cols: Tensor, frames: Tensor, values: Tensor) -> Tensor:
    places = array(rows).reshape(-1), array(cols).reshape(-1)
    last = np.float32(image.shape[0] - 1), np.float32(image.shape[1] - 1)
    _subtract(*places, *last, array(frames).reshape(-1), array(values).reshape(-1))
    return values


def read_residual(image: Tensor, rows: Tensor, cols: Tensor, frames: Tensor) -> Tensor:
    """See `vsr.observation.sampling.read_residual`."""
    return _take_off(image, rows, cols, frames, read_samples(image, rows, cols))


def read_residual_with_slopes(
    image: Tensor, rows: Tensor, cols: Tensor, frames: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """See `vsr.observation.sampling.read_residual_with_slopes`."""
    values, along_rows, along_cols = read_with_slopes(image, rows, cols)
    return _take_off(image, rows, cols, frames, values), along_rows, along_cols


@jit
def _spline(t: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Weights of four samples around a place ``t`` behind the second: the cubic B-spline."""
    u, sixth = _ONE - t, np.float32(1 / 6)
    first, last = u * u * u * sixth, t * t * t * sixth
    second = (t * t * (np.float32(3) * t - np.float32(6)) + np.float32(4)) * sixth
    return first, second, _ONE - first - second - last, last


@jit
def _row_of_four(flat: Array, start: np.int64, b: tuple[np.float32, np.float32, np.float32, np.float32]) -> np.float32:
    n = np.uintp(start)
    first, second = b[0] * flat[n] + b[1] * flat[n + np.uintp(1)], b[2] * flat[n + np.uintp(2)]
    return np.float32(first + (second + b[3] * flat[n + np.uintp(3)]))


@jit
def read_spline_at(padded: Array, size_yx: tuple[int, int], places: tuple[Array, Array], values: Array) -> None:
    """``padded``: images flat, with `_FRAME` pixels of border repeated, so that four rows and columns are there."""
    height, width = size_yx
    across = width + 2 * _FRAME
    rows, cols = places
    for n in range(rows.size):
        row, col = rows[n], cols[n]
        if not (abs(row) < _FAR and abs(col) < _FAR):
            values[:, n] = np.float32(np.nan)
            continue
        row = clamped(row + _TWO, np.float32(height + 3)) - _TWO
        col = clamped(col + _TWO, np.float32(width + 3)) - _TWO
        y, x = np.int32(row + _TWO) - 2, np.int32(col + _TWO) - 2  # floor
        down, right = row - np.float32(y), col - np.float32(x)
        a, b = _spline(down), _spline(right)
        start = np.int64((y + _FRAME - 1) * across + x + _FRAME - 1)
        for c in range(padded.shape[0]):
            one = padded[c]
            upper = a[0] * _row_of_four(one, start, b) + a[1] * _row_of_four(one, start + across, b)
            lower = a[2] * _row_of_four(one, start + 2 * across, b) + a[3] * _row_of_four(one, start + 3 * across, b)
            values[c, n] = upper + lower


def read_spline(images: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """See `vsr.registration.spline.read_spline`."""
    count, height, width = images.shape
    padded = torch.nn.functional.pad(images[None], (_FRAME,) * 4, mode="replicate")
    values = torch.empty((count, *rows.shape), dtype=rows.dtype)
    places = array(rows).reshape(-1), array(cols).reshape(-1)
    flat, results = array(padded).reshape(count, -1), array(values).reshape(count, -1)
    read_spline_at(flat, (height, width), places, results)
    return values


@jit
def follow(flow: Array, row: np.float32, col: np.float32) -> tuple[np.float32, np.float32]:
    """``flow`` between pixels, bilinear; the border's goes on outside."""
    last_row, last_col = flow.shape[1] - 1, flow.shape[2] - 1
    row, col = (
        min(max(row, np.float32(0)), np.float32(last_row)),
        min(max(col, np.float32(0)), np.float32(last_col)),
    )
    top, left = int(row), int(col)
    bottom, far = min(top + 1, last_row), min(left + 1, last_col)
    down, right = row - np.float32(top), col - np.float32(left)
    up, before = _ONE - down, _ONE - right
    a, b, c, d = up * before, up * right, down * before, down * right
    return (
        a * flow[0, top, left] + b * flow[0, top, far] + c * flow[0, bottom, left] + d * flow[0, bottom, far],
        a * flow[1, top, left] + b * flow[1, top, far] + c * flow[1, bottom, left] + d * flow[1, bottom, far],
    )


@jit
def _compose(first: Array, second: Array, total: Array) -> None:
    _, height, width = first.shape
    for y in range(height):
        for x in range(width):
            row, col = first[0, y, x], first[1, y, x]
            more_rows, more_cols = follow(second, np.float32(y) + row, np.float32(x) + col)
            total[0, y, x], total[1, y, x] = row + more_rows, col + more_cols


def join_flows(first: Tensor, second: Tensor) -> Tensor:
    """See `vsr.registration.compose.join_flows`."""
    total = torch.empty_like(first, memory_format=torch.contiguous_format)
    _compose(array(first), array(second), array(total))
    return total


@jit
def _miss(forward: Array, backward: Array, miss: Array) -> None:
    _, height, width = forward.shape
    end_row, end_col = np.float32(height) - _HALF, np.float32(width) - _HALF
    for y in range(height):
        for x in range(width):
            row, col = np.float32(y) + forward[0, y, x], np.float32(x) + forward[1, y, x]
            if -_HALF < row < end_row and -_HALF < col < end_col:
                back_rows, back_cols = follow(backward, row, col)
                rest_rows, rest_cols = forward[0, y, x] + back_rows, forward[1, y, x] + back_cols
                miss[y, x] = np.sqrt(rest_rows * rest_rows + rest_cols * rest_cols)
            else:
                miss[y, x] = np.float32(np.inf)


def round_trip_error(forward: Tensor, backward: Tensor) -> Tensor:
    """See `vsr.registration.flow.round_trip_error`."""
    miss = torch.empty(forward.shape[1:])
    _miss(array(forward), array(backward), array(miss))
    return miss
