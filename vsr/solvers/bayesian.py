"""Bayesian super-resolution after Liu and Sun: noise, image, blur and motion found in turn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vsr.observation.blur import reading_blur
from vsr.priors import BilateralTV
from vsr.solvers.base import Observations
from vsr.solvers.blind import estimate_psf
from vsr.solvers.order_statistics import weighted_median
from vsr.solvers.reweighted import weighted_least_squares

__all__ = ["BayesianOptions", "estimate_psf", "frame_precisions", "solve_bayesian", "take_motion_step"]

_CORNER = 1.0 / 255.0  # residual below which squares stand for absolute values
_LEAST_RESIDUAL = 0.75 / 255  # what no model explains; keeps the prior from fading as the image comes to fit the noise
_WINDOW_SAMPLES = 15  # side of the neighbourhood that moves together
_LARGEST_STEP_PX = 0.5  # of motion in one sweep, in pixels of x
_STIFFNESS = 1e-4  # mean squared slope, per pixel of x, below which nothing moves


@dataclass(frozen=True)
class BayesianOptions:
    """Parameters of `solve_bayesian`."""

    regularization: float = 12.0
    """Strength of the prior, eta: inverse of the usual difference between neighbours, 0…1. The paper has 20."""
    noise_shape: float = 1.0
    """Alpha of the Gamma prior on each frame's precision."""
    noise_rate: float = 0.1
    """Beta of the Gamma prior on each frame's precision."""
    sweeps: int = 5
    """Times noise, image and motion are found in turn."""
    rounds: int = 2
    """Times the weights of the image's step are renewed in a sweep."""
    cg_iterations: int = 8
    """Conjugate-gradient steps for each set of weights."""
    blind: bool = False
    """Estimate the blur (`estimate_psf`) instead of taking the model's."""
    refine_motion: bool = False
    """Correct the motion after each sweep but the last."""


def frame_precisions(residual: Tensor, confidence: Tensor, shape: float, rate: float) -> Tensor:
    """``(K,)``: the most probable inverse mean residual of each frame, ``(shape + n - 1) / (rate + sum |r|)``.

    ``residual`` and ``confidence`` are ``(K, h, w)``; n counts samples by their confidence. The sum is taken from the
    median, as it would be for a Laplacian, so that a few defects do not make a frame look noisy.
    """
    count = confidence.sum((1, 2))
    medians = [weighted_median(of_frame.abs(), weight) for of_frame, weight in zip(residual, confidence, strict=True)]
    usual = (torch.stack(medians) / math.log(2)).clamp(min=_LEAST_RESIDUAL)
    return (shape + count - 1).clamp(min=0) / (rate + count * usual)


def _window_mean(values: Tensor, whole: bool) -> Tensor:
    if whole:
        return values.mean((1, 2), keepdim=True).expand_as(values)
    size = min(_WINDOW_SAMPLES, *(length - 1 + length % 2 for length in values.shape[1:]))
    return avg_pool2d(values[:, None], size, stride=1, padding=size // 2, count_include_pad=False)[:, 0]


def _slope(image: Tensor, dim: int) -> Tensor:
    """Central differences along an axis, 0 at its ends."""
    slope, inner = torch.zeros_like(image), image.shape[dim] - 2
    if inner > 0:
        slope.narrow(dim, 1, inner).copy_((image.narrow(dim, 2, inner) - image.narrow(dim, 0, inner)) / 2)
    return slope


def take_motion_step(observed: Observations, x: Tensor, weights: Tensor) -> Observations:
    """The observations with every sample but the first frame's moved to where ``x`` explains it better.

    One step of Lucas and Kanade 1981 against ``A x``, weighted like the image's step: each frame moves as a whole
    where ``observed.model.shifts_yx`` says so, else in neighbourhoods of 15 × 15 samples. At most half a pixel of x.
    """
    model, blurred = observed.model, observed.model.blur.A(x)
    slopes = [model.read(_slope(blurred, dim)) for dim in (0, 1)]
    residual, whole = observed.residual(x), model.shifts_yx is not None
    (a, b, c), (p, q) = (
        [_window_mean(weights * slopes[i] * slopes[j], whole) for i, j in ((0, 0), (0, 1), (1, 1))],
        [_window_mean(weights * slope * residual, whole) for slope in slopes],
    )
    stiff = _STIFFNESS * _window_mean(weights, whole)
    a, c = a + stiff, c + stiff
    determinant = (a * c - b * b).clamp(min=torch.finfo(x.dtype).tiny)
    step_y = ((c * p - b * q) / determinant).nan_to_num(0.0).clamp_(-_LARGEST_STEP_PX, _LARGEST_STEP_PX)
    step_x = ((a * q - b * p) / determinant).nan_to_num(0.0).clamp_(-_LARGEST_STEP_PX, _LARGEST_STEP_PX)
    step_y[0], step_x[0] = 0.0, 0.0
    moved = model.moved(step_y, step_x)
    if whole:
        scale = torch.tensor(model.scale_yx, dtype=x.dtype, device=x.device)
        steps = torch.stack([step_y[:, 0, 0], step_x[:, 0, 0]], 1) / scale
        moved = replace(moved, shifts_yx=None if model.shifts_yx is None else model.shifts_yx + steps)
    return replace(observed, model=moved)


def solve_bayesian(observed: Observations, start: Tensor, options: BayesianOptions) -> Tensor:
    """Maximise ``prod_k theta_k^n exp(-theta_k |y_k - A_k x|_1) exp(-eta |grad x|_1)``, ``(H, W)`` like ``start``.

    In turn over the precision theta_k of each frame, so that bad frames count less, over the image x by
    re-weighted least squares and, where asked for, over the motion. Liu and Sun, "On Bayesian adaptive video super
    resolution", PAMI 2014 (CVPR 2011). Their step for the blur is left out: a Gaussian found in turn from the image
    of the last sweep shrank towards no blur when tried; `estimate_psf` replaces it. Differences to direct neighbours
    count half, to diagonal ones a quarter: all directions cost about the same. No step size to choose: conjugate
    gradients. Cost per step and pixel: two blurs, 9 + 9 multiplications, whatever the number of frames. float32 or
    float64.
    """
    if options.blind:
        sigma = estimate_psf(observed, start)
        if sigma is not None:
            blur = reading_blur((sigma, sigma), observed.model.scale_yx)
            observed = replace(observed, model=replace(observed.model, blur=blur))
    prior, x, sample_weights = BilateralTV(1, 0.5), start, observed.sample_weights()
    for sweep in range(options.sweeps):
        residual = observed.residual(x)
        precisions = frame_precisions(
            residual, sample_weights * observed.model.inside, options.noise_shape, options.noise_rate
        )
        best = float(precisions.max())
        if best <= 0:
            return x  # no sample has weight
        shares = sample_weights * (precisions / best)[:, None, None]
        weights = shares
        for _ in range(options.rounds):
            weights = shares * (_CORNER / residual.abs().clamp_(min=_CORNER))
            penalty = prior.majorizer(x, options.regularization * _CORNER / best, _CORNER)
            x = weighted_least_squares(observed, weights, penalty, x, options.cg_iterations)
            residual = observed.residual(x)
        if options.refine_motion and sweep < options.sweeps - 1:
            observed = take_motion_step(observed, x, weights)
    return x
