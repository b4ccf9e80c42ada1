"""How close one picture is to another."""

from __future__ import annotations

from vsr.metrics.psnr import luma_bt601, psnr
from vsr.metrics.ssim import ssim

__all__ = ["luma_bt601", "psnr", "ssim"]
