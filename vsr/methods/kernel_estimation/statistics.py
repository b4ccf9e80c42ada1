"""Estimators that look at statistics of the frames and learn nothing: a Gaussian comes out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vsr.methods.reconstruction.calibration import measure_psf
from vsr.methods.source import estimate_source
from vsr.networks.source import source_of
from vsr.observation.block_kernels import blurred_bicubic_kernel, gaussian_kernel
from vsr.solvers.blind import MIN_PSF_SIZE, blur_covariance

__all__ = ["estimate_by_directions", "estimate_by_psf", "estimate_by_survey"]

_SOFT_VARIANCE, _PHOTOGRAPH_VARIANCE = 1.0, 0.1  # by images restored from both, on five photographs
_LEAST_SIGMA_PX = 0.3  # output pixels; under that a kernel is one pixel


def estimate_by_survey(lumas: Sequence[Tensor], scale: int, *, steps: int, prior: nn.Module | None) -> Tensor | None:
    """A round Gaussian ahead of bicubic shrinking, as wide as the source's estimate says (`estimate_source`)."""
    estimates = estimate_source(lumas)
    return None if estimates is None else blurred_bicubic_kernel(scale, source_of(estimates).blur_px)


def estimate_by_psf(lumas: Sequence[Tensor], scale: int, *, steps: int, prior: nn.Module | None) -> Tensor | None:
    """A round Gaussian, from several frames registered and fused (`estimate_psf`); one frame is taken as it is."""
    sigma = measure_psf(lumas) if lumas and min(lumas[0].shape) >= MIN_PSF_SIZE else None
    return None if sigma is None else gaussian_kernel(scale, max(_LEAST_SIGMA_PX, sigma * scale))


def estimate_by_directions(
    lumas: Sequence[Tensor], scale: int, *, steps: int, prior: nn.Module | None
) -> Tensor | None:
    """A Gaussian of any widths and direction: the mean over the frames of `blur_covariance`, made narrower.

    Soft images look blurred, and too wide a kernel rings, while too narrow a one only restores less.
    """
    found = [matrix for matrix in map(blur_covariance, lumas) if matrix is not None]
    if not found:
        return None
    values, axes = torch.linalg.eigh(torch.stack(found).mean(0))
    across, along = (max(_LEAST_SIGMA_PX, scale * math.sqrt(_narrowed(float(value)))) for value in values)
    return gaussian_kernel(scale, along, across, math.degrees(math.atan2(float(axes[1, 1]), float(axes[0, 1]))))


def _narrowed(variance: float) -> float:
    """What is taken of a variance that was found, both in square pixels of the input."""
    found = max(0.0, variance)
    return max(0.0, found / (1 + found / _SOFT_VARIANCE) - _PHOTOGRAPH_VARIANCE)
