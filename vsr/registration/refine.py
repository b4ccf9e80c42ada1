"""Motion made more exact against the reconstructed image (Lucas and Kanade 1981, one Gauss-Newton step).

Motion between low-resolution frames suffers from their aliasing; the reconstruction has less of it. Where a
frame's samples miss what the image predicts, a small displacement of each neighbourhood may explain it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.observation import neighbourhood_mean

__all__ = ["refining_steps"]

_WINDOW = 7  # samples a side that share a displacement
_DAMPING = 8.0  # times the variance of noise: flat neighbourhoods stay where they are


def refining_steps(
    residual: Tensor, slopes_yx: tuple[Tensor, Tensor], weights: Tensor, sigma: float, limit_px: float
) -> tuple[Tensor, Tensor]:
    """Displacements ``(rows, cols)``, each ``(K, h, w)``, that lower the residual of each sample's neighbourhood.

    ``residual``: samples minus prediction, 0…1. ``slopes_yx``: the predicting image's derivatives at the
    samples, per pixel; displacements are in that pixel and no larger than ``limit_px``. ``weights`` ≥ 0 says
    the confidence of samples; ``sigma`` is the noise, 0…1.
    """
    slope_y, slope_x = slopes_yx
    weighted_y, weighted_x = weights * slope_y, weights * slope_x
    damping = _DAMPING * sigma * sigma / _WINDOW**2
    yy = neighbourhood_mean(weighted_y * slope_y, _WINDOW) + damping
    yx = neighbourhood_mean(weighted_y * slope_x, _WINDOW)
    xx = neighbourhood_mean(weighted_x * slope_x, _WINDOW) + damping
    ry = neighbourhood_mean(weighted_y * residual, _WINDOW)
    rx = neighbourhood_mean(weighted_x * residual, _WINDOW)
    determinant = (yy * xx - yx * yx).clamp_(min=torch.finfo(yy.dtype).tiny)
    rows = ((xx * ry - yx * rx) / determinant).clamp_(-limit_px, limit_px)
    cols = ((yy * rx - yx * ry) / determinant).clamp_(-limit_px, limit_px)
    return rows, cols
