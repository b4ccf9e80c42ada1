"""Consistency with the input, and over time.

Does the result, degraded again, equal the input? Does what changes from frame to frame change as in the ground truth?
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from vsr.metrics.psnr import psnr
from vsr.observation import resample

__all__ = ["Degrade", "lr_psnr", "shrink_bicubic", "temporal_psnr"]

Degrade = Callable[[Tensor, tuple[int, int]], Tensor]
"""Makes of an image ``(..., H, W)`` what would be recorded of it at a size ``(h, w)``, in the same units."""


def shrink_bicubic(image: Tensor, size_yx: tuple[int, int]) -> Tensor:
    """``(..., H, W)`` → ``(..., *size_yx)`` float64 by antialiased bicubic (MATLAB's ``imresize``), unrounded."""
    return resample(image.double(), size_yx, kernel="bicubic")


def lr_psnr(
    restored: Tensor, recorded: Tensor, *, peak: float = 255.0, crop: int = 0, degrade: Degrade = shrink_bicubic
) -> float:
    """LR-PSNR in dB: PSNR of ``degrade(restored)`` against ``recorded``, in float64; infinite where they are equal.

    ``restored`` is ``(..., H, W)``, ``recorded`` ``(..., h, w)`` with the same leading dimensions, both in 0…``peak``.
    ``degrade`` is how the recording is taken to have come about. Nothing is rounded on the way, so an 8-bit
    recording of the ground truth itself reaches about 59 dB. 45 dB and more count as consistent (NTIRE 2021 challenge
    on the space of super-resolved images). ``crop`` recorded pixels are left out on every side.
    """
    height, width = recorded.shape[-2:]
    return psnr(degrade(restored, (height, width)), recorded, peak=peak, crop=crop)


def temporal_psnr(
    before: Tensor, now: Tensor, true_before: Tensor, true_now: Tensor, *, peak: float = 255.0, crop: int = 0
) -> float:
    """PSNR in dB of the change between two consecutive frames against the true change, in float64.

    All four are ``(..., H, W)`` of one shape, in 0…``peak``. An error that stays where it is from frame to frame does
    not count; one that flickers counts twice as much in mean square as in `vsr.metrics.psnr`, if it is independent.
    ``crop`` pixels are left out on every side. Infinite for equal changes.
    """
    return psnr(now.double() - before.double(), true_now.double() - true_before.double(), peak=peak, crop=crop)
