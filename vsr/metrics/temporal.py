"""Consistency over time: does what changes from frame to frame change as it does in the ground truth?"""

from __future__ import annotations

from torch import Tensor

from vsr.metrics.psnr import psnr

__all__ = ["temporal_psnr"]


def temporal_psnr(
    before: Tensor, now: Tensor, true_before: Tensor, true_now: Tensor, *, peak: float = 255.0, crop: int = 0
) -> float:
    """PSNR in dB of the change between two consecutive frames against the true change, in float64.

    All four are ``(..., H, W)`` of one shape, in 0…``peak``. An error that stays where it is from frame to frame does
    not count; one that flickers counts twice as much in mean square as in `vsr.metrics.psnr`, if it is independent.
    ``crop`` pixels are left out on every side. Infinite for equal changes.
    """
    return psnr(now.double() - before.double(), true_now.double() - true_before.double(), peak=peak, crop=crop)
