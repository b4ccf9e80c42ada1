"""Sums over whole images of integer samples, fast enough to be taken of every frame of a video."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["energy", "errors", "psnr_from_sum", "rms_slope", "sum_of_squares"]

Samples = NDArray[Any]


def sum_of_squares(first: Samples, second: Samples) -> float:
    """Sum of squared differences of two ``(H, W)`` arrays of one type and shape.

    Exact for uint8 and uint16 up to rounding of the sum to float64; int16, int32 and float32 to about 1e-6 of it.
    Raises `ValueError` if shapes or types differ.
    """
    if first.shape != second.shape or first.dtype != second.dtype:
        raise ValueError(f"not alike: {first.shape} {first.dtype} and {second.shape} {second.dtype}")
    import cv2

    total = float(cv2.norm(first, second, cv2.NORM_L2SQR))
    return _whole(total, first)


def energy(errors_: Samples) -> float:
    """Sum of squares of an ``(H, W)`` array of a type that `sum_of_squares` takes."""
    import cv2

    return _whole(float(cv2.norm(errors_, cv2.NORM_L2SQR)), errors_)


def _whole(total: float, samples: Samples) -> float:
    return float(round(total)) if samples.dtype.kind == "u" else total  # OpenCV squares a root


def psnr_from_sum(total: float, num_samples: int, peak: float) -> float:
    """PSNR in dB from a sum of squared errors over ``num_samples``; infinite for 0."""
    return math.inf if total == 0 else 10 * math.log10(peak * peak * num_samples / total)


def errors(test: Samples, reference: Samples) -> Samples:
    """``test - reference`` in a type that holds it: int16 for 8 bits, int32 for more, float32 for floats.

    `energy` of it is what PSNR is made of; `sum_of_squares` of the errors of two frames, one after the other, is what
    `vsr.metrics.temporal_psnr` is made of.
    """
    wide = {1: np.int16, 2: np.int32}.get(test.dtype.itemsize, np.float32)
    return np.subtract(test, reference, dtype=wide)


def rms_slope(luma: Samples, peak: float, *, row_step: int = 1) -> float:
    """Root mean square of the steps from a sample to its right and lower neighbours, on the scale 0…255.

    ``(H, W)`` samples in 0…``peak``, at least 2×2; from one in ``row_step`` rows. A measure of sharpness that noise and
    ringing raise as detail does: to be compared between versions of one image, beside a measure of closeness.
    """
    height, width = luma.shape
    if min(height, width) < 2:
        raise ValueError(f"slopes need at least 2x2 samples, got {height}x{width}")
    rows, below = luma[:-1:row_step], luma[1::row_step]
    across = sum_of_squares(rows[:, 1:], rows[:, :-1]) / (rows.shape[0] * (width - 1))
    down = sum_of_squares(below, rows) / rows.size
    return math.sqrt(across + down) * 255.0 / peak
