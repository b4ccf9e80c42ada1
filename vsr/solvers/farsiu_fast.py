"""Farsiu's fast robust super-resolution for shifted frames: fuse by medians first, then deblur."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.observation.blur import SymmetricBlur
from vsr.observation.model import ObservationModel
from vsr.observation.operator import Composed
from vsr.priors import BilateralTV
from vsr.solvers.base import Observations
from vsr.solvers.farsiu import descent_steps
from vsr.solvers.order_statistics import cell_medians

__all__ = ["FarsiuFastOptions", "median_shift_and_add", "solve_farsiu_fast"]

# Rounding positions to whole pixels blurs by 1/12 of a square pixel, and the model's blur lacks the 1/6 of bilinear
# reading. These taps add both.
_ROUNDING = SymmetricBlur((0.75, 0.125), (0.75, 0.125))


@dataclass(frozen=True)
class FarsiuFastOptions:
    """Parameters of `solve_farsiu_fast`."""

    regularization: float = 0.025
    """Strength of the prior, lambda: weight of absolute differences relative to the absolute residual of a sample."""
    radius: int = 2
    """Reach of the bilateral total variation, in pixels of x."""
    alpha: float = 0.7
    """Its decay with distance."""
    iterations: int = 100
    """Descent steps."""
    step: float = 0.02
    """Step size beta of the first step, 0…1 of value per unit of gradient."""
    last_step: float = 0.0005
    """Step size of the last step; between, it falls geometrically. Equal to ``step``: the paper's constant step."""


def median_shift_and_add(frames: Tensor, model: ObservationModel, confidence: Tensor) -> tuple[Tensor, Tensor]:
    """``(Z, counts)``, each ``(H, W)``: medians of the samples nearest to each pixel, and how many there were.

    ``frames`` and ``confidence`` are ``(K, h, w)``; samples are weighted by confidence. Z is 0 where none are.
    """
    height, width = model.size_yx
    cells = model.rows.round().to(torch.int64) * width + model.cols.round().to(torch.int64)
    inside = model.inside.reshape(-1)
    medians, counts = cell_medians(
        cells.reshape(-1)[inside], frames.reshape(-1)[inside], confidence.reshape(-1)[inside], height * width
    )
    return medians.reshape(height, width), counts.reshape(height, width)


def solve_farsiu_fast(observed: Observations, start: Tensor, options: FarsiuFastOptions) -> Tensor:
    """Minimise ``|A (B x - Z)|_1 + lambda BTV(x)``, ``(H, W)`` like ``start``, by steepest descent.

        x <- x - beta { B^T A sign(B x - Z) + lambda BTV'(x) }

    Z is the median shift-and-add of the frames on the grid of x, ``A = diag(sqrt(count))``, so a pixel that no frame
    saw is never data. Farsiu, Robinson, Elad and Milanfar 2004, for shifts of the whole image, where motion and
    blur commute. Shifts are rounded to whole pixels of x, which costs sharpness; B makes up for it on average.
    The step size falls as in `solve_farsiu`, under the same condition. Cost per step and pixel: two blurs and
    4 r (r + 1) signs, whatever the number of frames. float32 or float64.
    """
    fused, counts = median_shift_and_add(observed.frames, observed.model, observed.sample_weights())
    weights, blur = counts.sqrt(), Composed(_ROUNDING, observed.model.blur)
    prior = BilateralTV(options.radius, options.alpha)
    x = start.clone()
    for beta in descent_steps(options.step, options.last_step, options.iterations):
        signs = blur.A(x).sub_(fused).sign_().mul_(weights)
        x.add_(blur.A_adjoint(signs).add_(prior.subgradient(x), alpha=options.regularization), alpha=-beta)
    return x
