"""Confidence of samples: neighbourhoods that the estimate cannot explain lose their weight."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.kernels import kernel
from vsr.observation import GaussianBlur, neighbourhood_mean

__all__ = ["RESIDUAL_BLUR", "residual_confidence", "residual_exponents"]

RESIDUAL_BLUR = GaussianBlur(0.6, 0.6)
"""Of residuals ahead of `residual_confidence`: what is finer is noise and aliasing, not wrong motion or occlusion."""

_WINDOW = 5  # samples a side of the neighbourhoods that are judged


def residual_confidence(
    residual: Tensor, contrast: Tensor, level: Tensor | float, *, tolerance: float = 2.0, contrast_share: float = 0.1
) -> Tensor:
    """Confidence in 0…1 of each sample from the residual around it; all ``(K, h, w)``, values 0…1.

    ``residual`` is softened by `RESIDUAL_BLUR`. ``level`` is the standard deviation to expect of it, one number or
    ``(K,)``; at ``tolerance`` times that over a whole neighbourhood confidence falls to 0.6. ``contrast`` is
    `neighbourhood_range` of the samples: a ``contrast_share`` of it is allowed for aliasing and small errors of motion.
    """
    levels = torch.full((len(residual),), level).to(residual) if isinstance(level, float) else level
    mean_square = neighbourhood_mean(residual.square(), _WINDOW)
    return residual_exponents(mean_square, contrast, levels, tolerance, contrast_share).exp_()


@kernel("vsr.kernels.weighing")
def residual_exponents(
    mean_square: Tensor, contrast: Tensor, levels: Tensor, tolerance: float, contrast_share: float
) -> Tensor:
    """Logarithm of `residual_confidence`, from the mean square of residuals around each sample; ``levels`` ``(K,)``."""
    allowed = contrast.mul(contrast_share).add_(levels[:, None, None]).mul_(tolerance)
    return (mean_square / allowed.square_()).mul_(-0.5)
