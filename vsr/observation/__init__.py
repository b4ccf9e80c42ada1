"""The forward model of imaging: how a sharp picture becomes the samples that were recorded.

Conventions, for the whole project: sample ``j`` of a row of ``n`` covers ``[j, j + 1)`` and has its centre
at ``j + 0.5``; a low-resolution sample is centred on the block of high-resolution samples that it covers.
Pairs that belong to an axis are written ``(y, x)``.
"""

from __future__ import annotations

from vsr.observation.blur import GaussianBlur
from vsr.observation.resample import Kernel, resample
from vsr.observation.sampling import NormalEquations, PointSampler, Stencil

__all__ = ["GaussianBlur", "Kernel", "NormalEquations", "PointSampler", "Stencil", "resample"]
