"""The forward model of imaging: how a sharp image becomes the samples that were recorded.

Conventions, for the whole project: sample ``j`` of a row of ``n`` covers ``[j, j + 1)`` and has its centre
at ``j + 0.5``; a low-resolution sample is centred on the block of high-resolution samples that it covers.
Pairs that belong to an axis are written ``(y, x)``.
"""

from __future__ import annotations

from vsr.observation.blur import GaussianBlur, SymmetricBlur, mean_blur, reading_blur
from vsr.observation.convolution import KernelBlur, VaryingBlur
from vsr.observation.decimation import Antialiased, Decimation
from vsr.observation.degradation import DEGRADATIONS, Degradation, degradation_at, degradation_operator, simulate
from vsr.observation.kernels import box_kernel, disc_kernel, gaussian_kernel, motion_kernel
from vsr.observation.model import ObservationModel, grid_positions
from vsr.observation.neighbourhoods import neighbourhood_bounds, neighbourhood_mean, neighbourhood_range
from vsr.observation.operator import Composed, LinearOperator
from vsr.observation.recording import Recording
from vsr.observation.resample import Kernel, resample
from vsr.observation.sampling import NormalEquations, PointSampler
from vsr.observation.stencil import Stencil
from vsr.observation.warp import Interpolation, Warp

__all__ = [
    "DEGRADATIONS",
    "Antialiased",
    "Composed",
    "Decimation",
    "Degradation",
    "GaussianBlur",
    "Interpolation",
    "Kernel",
    "KernelBlur",
    "LinearOperator",
    "NormalEquations",
    "ObservationModel",
    "PointSampler",
    "Recording",
    "Stencil",
    "SymmetricBlur",
    "VaryingBlur",
    "Warp",
    "box_kernel",
    "degradation_at",
    "degradation_operator",
    "disc_kernel",
    "gaussian_kernel",
    "grid_positions",
    "mean_blur",
    "motion_kernel",
    "neighbourhood_bounds",
    "neighbourhood_mean",
    "neighbourhood_range",
    "reading_blur",
    "resample",
    "simulate",
]
