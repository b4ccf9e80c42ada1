"""How close one image is to another, to what was recorded, and over time."""

from __future__ import annotations

from vsr.metrics.consistency import Degrade, lr_psnr, shrink_bicubic
from vsr.metrics.psnr import cropped, luma_bt601, psnr
from vsr.metrics.ssim import ssim
from vsr.metrics.temporal import temporal_psnr

__all__ = ["Degrade", "cropped", "lr_psnr", "luma_bt601", "psnr", "shrink_bicubic", "ssim", "temporal_psnr"]
