"""Iteratively re-weighted super-resolution after Köhler et al. 2016: every weight is found from the images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vsr.observation.blur import GaussianBlur
from vsr.observation.model import ObservationModel
from vsr.observation.resample import resample
from vsr.observation.stencil import Stencil
from vsr.priors import BilateralTV
from vsr.solvers.base import Observations
from vsr.solvers.order_statistics import weighted_mad, weighted_median
from vsr.solvers.reweighted import weighted_least_squares

__all__ = ["IrwsrOptions", "coarse_model", "frame_weights", "observation_weights", "prior_stencil", "solve_irwsr"]

_READING_VARIANCE = 1 / 6  # blur of bilinear reading, in square pixels, averaged over positions
_LEAST_SIGMA = 0.3 / 255  # rounding to 8 bits alone
_MEDIAN_SAMPLES = 1 << 15  # enough for a median
_TINY = 1e-20


@dataclass(frozen=True)
class IrwsrOptions:
    """Parameters of `solve_irwsr`."""

    regularization: float = 0.0025
    """Strength of the prior, lambda."""
    largest_bias: float = 0.02
    """Median residual, 0…1, beyond which a frame is left out as too bright or too dark."""
    data_bound: float = 2.0
    """Standard deviations of residual beyond which a sample pulls with constant force (c_data)."""
    prior_bound: float = 2.0
    """Standard deviations of difference beyond which a difference counts as an edge (c_prior)."""
    sparsity: float = 0.5
    """Exponent p by which edges are spared, 0…1; 1 is the plain bilateral total variation."""
    radius: int = 1
    """Reach of the bilateral total variation, in pixels of x."""
    alpha: float = 0.5
    """Its decay with distance."""
    outer_iterations: int = 10
    """Majorisation steps. The first are taken on coarser grids: step t at scale factor t, until x's is reached."""
    cg_iterations: int = 5
    """Conjugate-gradient steps for each set of weights."""


def _thin(values: Tensor) -> Tensor:
    return values.reshape(-1)[:: max(1, values.numel() // _MEDIAN_SAMPLES)]


def frame_weights(residual: Tensor, confidence: Tensor, largest_bias: float) -> Tensor:
    """``(K,)``: 1 for frames whose median residual is within ``largest_bias``, 0 for others; 1 for all if none is.

    ``residual`` and ``confidence`` are ``(K, h, w)``.
    """
    pairs = zip(residual, confidence, strict=True)
    bias = torch.stack([weighted_median(_thin(of_frame), _thin(weight)) for of_frame, weight in pairs])
    fair = bias.abs() <= largest_bias
    return (fair if bool(fair.any()) else ~fair).to(residual.dtype)


def observation_weights(residual: Tensor, weights: Tensor, bound: float, sigma: float | None = None) -> Tensor:
    """``weights * min(1, bound * sigma / |residual|)``, ``(K, h, w)`` like both.

    ``sigma`` is by default 1.4826 times the median absolute deviation of the residual under ``weights``.
    """
    if sigma is None:
        sigma = max(_LEAST_SIGMA, weighted_mad(_thin(residual), _thin(weights)))
    return weights * (bound * sigma / residual.abs().clamp_(min=_TINY)).clamp_(max=1.0)


def _deviation(x: Tensor, prior: BilateralTV) -> float:
    """Standard deviation of most weighted differences."""
    differences = torch.cat([_thin(weight * part) for weight, part in prior.differences(x)])
    return max(_LEAST_SIGMA, weighted_mad(differences, torch.ones_like(differences)))


def prior_stencil(x: Tensor, prior: BilateralTV, strength: float, options: IrwsrOptions) -> Stencil:
    """Matrix of the quadratic that touches ``strength`` times the weighted bilateral total variation at ``x``.

    A weighted difference z counts ``a |z|`` with a = 1 up to the bound b = ``prior_bound`` times the standard
    deviation of all z, and ``a = p (b / |z|)^(1 - p)`` beyond, p the ``sparsity``.
    """
    bound, power = options.prior_bound * _deviation(x, prior), 1.0 - options.sparsity

    def spared(size: Tensor) -> Tensor:
        beyond = options.sparsity * (bound / size.clamp(min=bound)) ** power
        return torch.where(size <= bound, torch.ones_like(size), beyond)

    return prior.majorizer(x, strength, _LEAST_SIGMA, spared)


def _variances(model: ObservationModel) -> list[float]:
    """Variance of the model's blur along y and x, in square pixels, from its answer to a point."""
    height, width = model.size_yx
    point = torch.zeros(model.size_yx, dtype=torch.float64, device=model.rows.device)
    point[height // 2, width // 2] = 1
    spread = model.blur.A(point)
    found = []
    for profile, centre in ((spread.sum(1), height // 2), (spread.sum(0), width // 2)):
        distance = torch.arange(len(profile), dtype=profile.dtype, device=profile.device) - centre
        found.append(max(0.0, float((profile * distance.square()).sum() / profile.sum())))
    return found


def coarse_model(model: ObservationModel, magnification: float) -> ObservationModel:
    """The model of the same frames on a grid of ``magnification`` pixels per sample; the same if that is no coarser.

    Its blur is the Gaussian that is as wide in the scene.
    """
    shares = [min(1.0, magnification / scale) for scale in model.scale_yx]
    if shares == [1.0, 1.0]:
        return model
    height, width = (max(2, round(size * share)) for size, share in zip(model.size_yx, shares, strict=True))
    shares = [height / model.size_yx[0], width / model.size_yx[1]]
    sigmas = [
        max(0.0, (variance + _READING_VARIANCE) * share**2 - _READING_VARIANCE) ** 0.5
        for variance, share in zip(_variances(model), shares, strict=True)
    ]
    return replace(
        model,
        size_yx=(height, width),
        rows=(model.rows + 0.5) * shares[0] - 0.5,
        cols=(model.cols + 0.5) * shares[1] - 0.5,
        blur=GaussianBlur(*sigmas),
        scale_yx=(model.scale_yx[0] * shares[0], model.scale_yx[1] * shares[1]),
    )


def _majorisation_step(observed: Observations, x: Tensor, options: IrwsrOptions) -> Tensor:
    prior = BilateralTV(options.radius, options.alpha)
    residual, sample_weights = observed.residual(x), observed.sample_weights() * observed.model.inside
    fair = sample_weights * frame_weights(residual, sample_weights, options.largest_bias)[:, None, None]
    weights = observation_weights(residual, fair, options.data_bound, observed.noise_sigma)
    penalty = prior_stencil(x, prior, options.regularization, options)
    return weighted_least_squares(observed, weights, penalty, x, options.cg_iterations)


def solve_irwsr(observed: Observations, start: Tensor, options: IrwsrOptions) -> Tensor:
    """Minimise ``sum_k b_k |y_k - A_k x|² / 2 + lambda sum a |x - S^m S^l x|``, ``(H, W)`` like ``start``.

    The weights b of samples and a of differences follow from the last x: `frame_weights`, `observation_weights`,
    `prior_stencil`. Köhler, Huang, Schebesch, Aichert, Maier and Hornegger, "Robust multiframe super-resolution
    employing iteratively re-weighted minimization", IEEE Trans. Computational Imaging 2016, with conjugate gradients
    on the majorising quadratic, so there is no step size to choose and no step raises the cost that it majorises.
    lambda is fixed, where the paper chooses it by cross-validation. Step t is taken on a grid of t pixels per sample
    until that is the grid of x. Cost per conjugate-gradient step and pixel: two blurs, 9 + 1 + 4 r (r + 1)
    multiplications, whatever the number of frames. float32 or float64.
    """
    x = start
    for number in range(1, options.outer_iterations + 1):
        last = number == options.outer_iterations
        level = observed if last else replace(observed, model=coarse_model(observed.model, float(number)))
        x = _majorisation_step(level, resample(x, level.model.size_yx, kernel="bicubic"), options)
    return x
