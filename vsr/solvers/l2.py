"""Least squares with Tikhonov's prior: the linear solver, best where noise is Gaussian and nothing else is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vsr.priors import Tikhonov
from vsr.solvers.base import Observations
from vsr.solvers.reweighted import weighted_least_squares

__all__ = ["L2Options", "mean_square", "scale_by_noise", "solve_l2"]

_CLEAN_STRENGTH = 9e-3  # of the prior where nothing but rounding disturbs
_NOISE_STRENGTH = 45.0  # added, times the mean square of the residual


@dataclass(frozen=True)
class L2Options:
    """Parameters of `solve_l2`."""

    regularization: float = 1.0
    """Strength of the prior; 1 suits photographs, more is smoother, 0 is plain least squares."""
    outer_iterations: int = 3
    """Times the strength is fitted to the residual."""
    cg_iterations: int = 16
    """Conjugate-gradient steps for each strength."""


def mean_square(observed: Observations, residual: Tensor, confidence: Tensor) -> float:
    """Variance of the noise, outliers included: given, or the mean square of ``residual`` ``(K, h, w)``."""
    if observed.noise_sigma is not None:
        return observed.noise_sigma**2
    total = float(confidence.sum())
    return float((residual.square() * confidence).sum()) / total if total > 0 else 0.0


def scale_by_noise(regularization: float, variance: float) -> float:
    """Weight of Tikhonov's prior against squared residual for noise of ``variance``."""
    return regularization * (_CLEAN_STRENGTH + _NOISE_STRENGTH * variance)


def solve_l2(observed: Observations, start: Tensor, options: L2Options) -> Tensor:
    """Minimise ``sum_k w_k (y_k - A_k x)² + lambda |grad x|²``, ``(H, W)`` like ``start``.

    w is the weight of each sample; lambda grows with the variance of the residual, as the maximum a posteriori estimate
    for Gaussian noise asks. The regularised least squares of Elad and Feuer 1997, by conjugate gradients (Hestenes
    and Stiefel 1952), which choose their own step sizes: any ``start`` will do, and the error never grows. Not robust:
    one outlier pulls as hard as all its neighbours, and a few make all smooth. Cost per step and pixel: two blurs
    and 9 + 3 multiplications, whatever the number of frames. float32 or float64.
    """
    x, sample_weights = start, observed.sample_weights()
    for _ in range(options.outer_iterations):
        variance = mean_square(observed, observed.residual(x), sample_weights * observed.model.inside)
        prior = Tikhonov().majorizer(x, scale_by_noise(options.regularization, variance), 0.0)
        x = weighted_least_squares(observed, sample_weights, prior, x, options.cg_iterations)
    return x
