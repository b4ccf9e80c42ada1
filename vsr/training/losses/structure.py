"""One minus structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004), as `vsr.metrics.ssim` computes it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

__all__ = ["ssim_loss"]

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def ssim_loss(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """1 - SSIM over all whole 11×11 windows of all channels; peak 1. Sides of at least 11."""
    if min(made.shape[-2:]) < _WINDOW:
        raise ValueError(f"SSIM needs at least {_WINDOW}x{_WINDOW} pixels, got {tuple(made.shape[-2:])}")
    x, y = made.flatten(0, 1)[:, None], true.flatten(0, 1)[:, None]
    distance = torch.arange(_WINDOW, dtype=made.dtype, device=made.device) - _WINDOW // 2
    weights = torch.exp(-0.5 * (distance / _SIGMA) ** 2)
    weights = weights / weights.sum()
    stacked = torch.cat([x, y, x * x, y * y, x * y])
    mean = conv2d(conv2d(stacked, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = mean.chunk(5)
    var_x, var_y, both = mean_xx - mean_x**2, mean_yy - mean_y**2, mean_xy - mean_x * mean_y
    similar = (2 * mean_x * mean_y + _C1) * (2 * both + _C2)
    return 1 - (similar / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2))).mean()
