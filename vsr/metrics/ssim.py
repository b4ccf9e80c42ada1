"""Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004), as MATLAB and the papers compute it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from vsr.metrics.psnr import cropped

__all__ = ["ssim"]

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def _local_mean(image: Tensor) -> Tensor:
    """Gaussian-weighted means of all whole 11×11 windows, ``(N, 1, H, W)`` → ``(N, 1, H - 10, W - 10)``."""
    distance = torch.arange(_WINDOW, dtype=torch.float64, device=image.device) - _WINDOW // 2
    weights = torch.exp(-0.5 * (distance / _SIGMA) ** 2)
    weights = weights / weights.sum()
    return conv2d(conv2d(image, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))


def ssim(first: Tensor, second: Tensor, *, peak: float = 255.0, crop: int = 0) -> float:
    """Mean SSIM of two ``(H, W)`` images, in float64: 11×11 Gaussian window, sigma 1.5, whole windows only.

    K1 = 0.01, K2 = 0.03, population variances. ``crop`` pixels are left out on every side first; what is left
    must be at least 11×11.
    """
    if first.shape != second.shape or first.dim() != 2:
        raise ValueError(f"need two (H, W) images of one shape: {tuple(first.shape)}, {tuple(second.shape)}")
    x, y = (cropped(p, crop).to(torch.float64)[None, None] for p in (first, second))
    if min(x.shape[-2:]) < _WINDOW:
        raise ValueError(f"SSIM needs at least {_WINDOW}x{_WINDOW} pixels, got {x.shape[-2]}x{x.shape[-1]}")
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    moments = _local_mean(torch.cat([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = moments
    var_x, var_y = mean_xx - mean_x**2, mean_yy - mean_y**2
    covariance = mean_xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return float((luminance * structure).mean())
