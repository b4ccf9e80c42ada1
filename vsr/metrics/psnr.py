"""Peak signal-to-noise ratio, and the luma that super-resolution papers compute it on."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["cropped", "luma_bt601", "psnr"]


def luma_bt601(rgb: Tensor) -> Tensor:
    """``(3, H, W)`` RGB in 0…255 → ``(H, W)`` float64 luma in 16…235 (MATLAB's ``rgb2ycbcr``, unrounded)."""
    from kornia.color import rgb_to_y

    luma: Tensor = rgb_to_y(rgb.to(torch.float64) / 255)[0]
    return 16 + 219 * luma


def cropped(image: Tensor, crop: int) -> Tensor:
    """``(..., H, W)`` without ``crop`` pixels on every side; raises `ValueError` if nothing is left."""
    height, width = image.shape[-2:]
    if crop < 0 or 2 * crop >= min(height, width):
        raise ValueError(f"cannot crop {crop} pixels from every side of {height}x{width}")
    return image[..., crop : height - crop, crop : width - crop]


def psnr(first: Tensor, second: Tensor, *, peak: float = 255.0, crop: int = 0) -> float:
    """PSNR in dB of two images of one shape ``(..., H, W)``, in float64; infinite for equal images.

    ``peak`` is the largest possible value; ``crop`` pixels are left out on every side.
    """
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {tuple(first.shape)} and {tuple(second.shape)}")
    error = cropped(first, crop).to(torch.float64) - cropped(second, crop).to(torch.float64)
    mean_square = float((error * error).mean())
    return math.inf if mean_square == 0 else 10 * math.log10(peak * peak / mean_square)
