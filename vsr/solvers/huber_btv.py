"""The default solver: Huber's function on the residual, bilateral total variation, both scaled by the noise found."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vsr.kernels import kernel
from vsr.priors import BilateralTV
from vsr.solvers.base import Observations
from vsr.solvers.reweighted import weighted_least_squares

__all__ = ["HuberBtvOptions", "solve_huber_btv", "weigh_samples"]

_CLEAN_STRENGTH = 3e-5  # of the prior where nothing but rounding disturbs, shared out over its shifts
_NOISE_STRENGTH = 20.0  # added, times the variance of noise and misregistration
_TINY = 1e-20


@dataclass(frozen=True)
class HuberBtvOptions:
    """Parameters of `solve_huber_btv`."""

    regularization: float = 1.0
    """Strength of the prior; 1 suits photographs, more is smoother."""
    huber: float = 3.0
    """Standard deviations of residual beyond which a sample pulls with constant force."""
    defect: float = 3.0
    """Times ``huber`` beyond which a sample is a defect and pulls ever less."""
    knee: float = 2.0
    """Standard deviations below which a difference between neighbours is smoothed as noise."""
    least_sigma: float = 0.0
    """Noise that is reckoned with at least, 0…1: what neither noise nor motion explains, such as compression."""
    radius: int = 2
    """Reach of the bilateral total variation, in pixels of x."""
    alpha: float = 0.7
    """Its decay with distance."""
    outer_iterations: int = 5
    """Times the weights are renewed."""
    cg_iterations: int = 8
    """Conjugate-gradient steps for each set of weights."""


@kernel("vsr.kernels.weighing")
def weigh_samples(residual: Tensor, confidence: Tensor, sigma: float, huber: float, defect: float) -> Tensor:
    """``confidence`` in samples, lowered by their residual, same shape: unchanged up to ``huber`` sigmas, then Huber's.

    From ``defect`` times as far weights fall with the third power: there lie defects and wrong motion, not noise.
    """
    magnitude = residual.abs().clamp_(min=_TINY)
    bounded = (huber * sigma / magnitude).clamp_(max=1.0)
    return confidence * bounded.mul_((defect * huber * sigma / magnitude).clamp_(max=1.0).square_())


def solve_huber_btv(observed: Observations, start: Tensor, options: HuberBtvOptions) -> Tensor:
    """Minimise ``sum_k rho(y_k - A_k x) + lambda BTV(x)``, ``(H, W)`` like ``start``.

    With sigma the noise, given or found from the residual each round: rho is Huber's function with its bound at
    ``huber`` sigmas, redescending from ``defect`` times that on (`weigh_samples`); lambda is a small constant plus a
    multiple of sigma², as the maximum a posteriori estimate asks. Iteratively re-weighted least squares
    with conjugate gradients; the scheme of Köhler et al. 2016 with Farsiu's prior. Cost per step and pixel:
    two blurs, 9 + 1 + 4 r (r + 1) multiplications, whatever the number of frames. float32 or float64.
    """
    prior = BilateralTV(options.radius, options.alpha)
    x, sample_weights, known = start, observed.sample_weights(), observed.start_residual
    for _ in range(options.outer_iterations):
        residual, known = observed.residual(x) if known is None else known, None
        sigma = max(options.least_sigma, observed.sigma(residual))
        weights = weigh_samples(residual, sample_weights, sigma, options.huber, options.defect)
        strength = options.regularization * (_CLEAN_STRENGTH + _NOISE_STRENGTH * sigma * sigma)
        penalty = prior.majorizer(x, strength / prior.total_weight, options.knee * sigma)
        x = weighted_least_squares(observed, weights, penalty, x, options.cg_iterations)
    return x
