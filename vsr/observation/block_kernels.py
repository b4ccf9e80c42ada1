"""Blur kernels of a recording: what a sample of the small image is a weighted mean of, in pixels of the large one.

The middle of a kernel lies on the middle of the block of ``scale``×``scale`` pixels that a sample stands for. So
kernels have even sides for even scales and odd sides for odd ones. Weights sum to 1.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vsr.errors import InputError
from vsr.observation.resample import KERNELS

__all__ = [
    "blurred_bicubic_kernel",
    "centre_kernel",
    "degrade",
    "gaussian_kernel",
    "kernel_widths",
    "read_kernel",
]

_WIDE = 3.5  # standard deviations of a Gaussian that are kept
_MOST_SIDE = 129
_EMPTY = 1e-6  # share of a kernel that its border may hold to be cut off


def _offsets(reach: float, scale: int) -> Tensor:
    """Places of pixels around the middle of a block, at most ``reach`` away, float64."""
    side = max(scale, 2 * math.ceil(reach) + scale % 2)
    return torch.arange(side, dtype=torch.float64) - (side - 1) / 2


def gaussian_kernel(
    scale: int, sigma_px: float, across_px: float | None = None, angle_deg: float = 0.0, side: int | None = None
) -> Tensor:
    """``(n, n)`` float32: a Gaussian of ``sigma_px`` along ``angle_deg`` (x towards y), of ``across_px`` across.

    In pixels of the large image. ``side``: its width, else as wide as it is seen; of the parity of ``scale``.
    """
    across = sigma_px if across_px is None else across_px
    place = _offsets(_WIDE * max(sigma_px, across) if side is None else (side - 1) / 2, scale)
    angle = math.radians(angle_deg)
    y, x = place[:, None], place[None, :]
    along = x * math.cos(angle) + y * math.sin(angle)
    aside = y * math.cos(angle) - x * math.sin(angle)
    weights = torch.exp(-0.5 * ((along / max(sigma_px, 1e-3)) ** 2 + (aside / max(across, 1e-3)) ** 2))
    return (weights / weights.sum()).float()


def blurred_bicubic_kernel(scale: int, sigma_px: float) -> Tensor:
    """``(n, n)`` float32: a Gaussian of ``sigma_px`` small pixels, then antialiased bicubic shrinking."""
    function, radius = KERNELS["bicubic"]
    place = _offsets(radius * scale, scale)
    row = function(place / scale)
    if sigma_px > 0:
        reach = math.ceil(_WIDE * sigma_px * scale)
        bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / (sigma_px * scale)) ** 2)
        row = torch.from_numpy(np.convolve(row.numpy(), (bell / bell.sum()).numpy()))
    row = row / row.sum()
    return (row[:, None] * row).float()


def _centre_yx(kernel: Tensor) -> tuple[float, float]:
    place = torch.arange(kernel.shape[0], dtype=kernel.dtype)
    return float((kernel.sum(1) * place).sum() / kernel.sum()), float((kernel.sum(0) * place).sum() / kernel.sum())


def kernel_widths(kernel: Tensor) -> tuple[float, float, float]:
    """Standard deviations of a kernel ``(n, n)`` along its longest axis and across it, and that axis in degrees.

    As `gaussian_kernel` takes them: in pixels of the large image, x towards y, from 0 to below 180.
    """
    weights = kernel.double() / kernel.double().sum()
    centre_y, centre_x = _centre_yx(weights)
    place = torch.arange(weights.shape[0], dtype=torch.float64)
    y, x = place[:, None] - centre_y, place[None, :] - centre_x
    mixed = (weights * y * x).sum()
    matrix = torch.stack([(weights * x * x).sum(), mixed, mixed, (weights * y * y).sum()]).reshape(2, 2)
    values, axes = torch.linalg.eigh(matrix)
    across, along = (math.sqrt(max(0.0, float(value))) for value in values)
    return along, across, math.degrees(math.atan2(float(axes[1, 1]), float(axes[0, 1]))) % 180


def centre_kernel(kernel: Tensor, scale: int) -> Tensor:
    """A kernel ``(m, m)`` of any side, moved so that its centre of mass is the middle of a block; ``(n, n)`` float32.

    Parts of a pixel are shared out linearly, which widens it by at most half a pixel. Weights below 0 count as 0.
    """
    weights = kernel.double().clamp(min=0)
    weights = weights / weights.sum()
    side = weights.shape[0]
    room = 2 * side + (2 * side - scale) % 2 + 2
    shifts = [(room - 1) / 2 - centre for centre in _centre_yx(weights)]
    moves = []
    for shift in shifts:
        whole = math.floor(shift)
        move = torch.zeros(room, side, dtype=torch.float64)
        rows = torch.arange(side)
        move[rows + whole, rows] = 1 - (shift - whole)
        move[rows + whole + 1, rows] = shift - whole
        moves.append(move)
    return _without_rim(moves[0] @ weights @ moves[1].T, scale).float()


def _without_rim(kernel: Tensor, scale: int) -> Tensor:
    """What is left when empty borders are cut off on all sides alike; at least a block."""
    rim = 0
    while kernel.shape[0] - 2 * rim > scale + 1:
        inner = kernel[rim + 1 : kernel.shape[0] - rim - 1, rim + 1 : kernel.shape[0] - rim - 1]
        if float(inner.sum()) < 1 - _EMPTY:
            break
        rim += 1
    kept = kernel[rim : kernel.shape[0] - rim, rim : kernel.shape[0] - rim]
    return kept / kept.sum()


def read_kernel(path: Path, scale: int) -> Tensor:
    """A kernel from a text file, a row of numbers a line, or a NumPy file (``.npy``), in pixels of the large image.

    Brought to the sum 1. Raises `InputError` where it is not a square of numbers, or of a side that does not suit
    ``scale``.
    """
    values = _read_array(path)
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise InputError(f"{path}: holds {values.ndim} dimensions of {values.dtype}; a kernel is a square of numbers")
    values = values.astype(np.float64)  # both kinds of files have the same sum
    height, width = values.shape
    if height != width or not 1 <= height <= _MOST_SIDE:
        raise InputError(f"{path}: has {height} rows of {width} numbers; a kernel is a square of at most {_MOST_SIDE}")
    if (height - scale) % 2:
        kind = "odd" if scale % 2 else "even"
        raise InputError(
            f"{path}: is {height} pixels wide; for x{scale} the side is {kind}, since a kernel's middle lies on the "
            f"middle of a block of {scale} pixels"
        )
    if not np.isfinite(values).all() or values.sum() <= 0:
        raise InputError(f"{path}: a kernel has finite weights with a positive sum")
    kernel = torch.from_numpy((values / values.sum()).astype(np.float32))
    rim = max(0, (scale - height) // 2)
    return functional.pad(kernel, (rim,) * 4)


def _read_array(path: Path) -> NDArray[Any]:
    try:
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty file; its shape is refused
            return np.loadtxt(path, dtype=np.float64, delimiter=None, ndmin=2)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as rows of numbers ({error})") from error


def degrade(images: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """``(B, 1, S·h, S·w)`` → ``(B, 1, h, w)``: the means that ``kernel`` takes; borders are repeated."""
    rim = (kernel.shape[0] - scale) // 2
    framed = functional.pad(images, (rim,) * 4, mode="replicate")
    return functional.conv2d(framed, kernel.to(images.device, images.dtype)[None, None], stride=scale)
