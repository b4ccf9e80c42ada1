"""Planes that carry less detail than the luma, sharpened by it.

Near an edge, chroma mostly follows luma: locally it is a line in it (the guided filter of He, Sun and Tang
2013). The detail that reconstruction added to the luma, times the slope of that line, is the detail that the
plane lacks. Where the plane does not follow the luma the slope is small and nothing is added.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.observation import neighbourhood_mean, resample

__all__ = ["guided_detail"]

_WINDOW = 5  # samples a side over which the line is fitted
_STEEPEST = 2.0  # slope beyond which a fit is taken for chance


def guided_detail(plane: Tensor, luma: Tensor, detail: Tensor, noise_sigma: float) -> Tensor:
    """What to add to the enlarged ``plane``: ``(H, W)`` like ``detail``, in the plane's unit.

    ``plane`` ``(h, w)`` and ``luma`` ``(h, w)`` show the same place sample by sample, in one unit; ``detail`` is
    the reconstructed luma minus the enlarged one on the plane's output grid. ``noise_sigma``, in that unit:
    variations of the luma below it tell nothing.
    """
    both = torch.stack([plane, luma, plane * luma, luma * luma])
    mean_p, mean_l, mean_pl, mean_ll = neighbourhood_mean(both, _WINDOW)
    covariance = mean_pl - mean_p * mean_l
    variance = (mean_ll - mean_l * mean_l).clamp_(min=0)
    slope = covariance / (variance + 4 * noise_sigma * noise_sigma)
    slope = neighbourhood_mean(slope.clamp_(-_STEEPEST, _STEEPEST)[None], _WINDOW)[0]
    size = (int(detail.shape[0]), int(detail.shape[1]))
    return resample(slope, size, kernel="bicubic") * detail
