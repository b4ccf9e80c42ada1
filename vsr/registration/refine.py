"""Motion made more exact against the reconstructed image (Lucas and Kanade 1981, one Gauss-Newton step).

Motion between low-resolution frames suffers from their aliasing; the reconstruction has less of it. Where a
frame's samples miss what the image predicts, a small displacement of each neighbourhood may explain it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.kernels import kernel
from vsr.observation import neighbourhood_mean

__all__ = ["refining_steps", "solve_neighbourhoods"]

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
    damping = _DAMPING * sigma * sigma / _WINDOW**2
    return solve_neighbourhoods(residual, slopes_yx, weights, damping, limit_px, _WINDOW)


@kernel("vsr.kernels.weighing")
def solve_neighbourhoods(
    residual: Tensor, slopes_yx: tuple[Tensor, Tensor], weights: Tensor, damping: float, limit_px: float, window: int
) -> tuple[Tensor, Tensor]:
    """`refining_steps` with neighbourhoods of ``window`` samples a side, and ``damping`` of squared slopes."""
    slope_y, slope_x = slopes_yx
    weighted_y, weighted_x = weights * slope_y, weights * slope_x
    yy = neighbourhood_mean(weighted_y * slope_y, window) + damping
    yx = neighbourhood_mean(weighted_y * slope_x, window)
    xx = neighbourhood_mean(weighted_x * slope_x, window) + damping
    ry = neighbourhood_mean(weighted_y * residual, window)
    rx = neighbourhood_mean(weighted_x * residual, window)
    determinant = (yy * xx - yx * yx).clamp_(min=torch.finfo(yy.dtype).tiny)
    rows = ((xx * ry - yx * rx) / determinant).clamp_(-limit_px, limit_px)
    cols = ((yy * rx - yx * ry) / determinant).clamp_(-limit_px, limit_px)
    return rows, cols
