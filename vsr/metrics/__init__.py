"""How close one image is to another, to what was recorded, and over time."""

from __future__ import annotations

from vsr.metrics.consistency import Degrade, lr_psnr, shrink_bicubic, temporal_psnr
from vsr.metrics.diversity import diversity_score
from vsr.metrics.psnr import cropped, luma_bt601, psnr
from vsr.metrics.ssim import ssim

__all__ = [
    "Degrade",
    "cropped",
    "diversity_score",
    "lr_psnr",
    "luma_bt601",
    "psnr",
    "shrink_bicubic",
    "ssim",
    "temporal_psnr",
]
