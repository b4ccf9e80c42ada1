"""Farsiu's robust super-resolution for any motion: L1 residual and bilateral total variation by sign descent."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vsr.priors import BilateralTV
from vsr.solvers.base import Observations

__all__ = ["FarsiuOptions", "cost_gradient", "descent_steps", "solve_farsiu"]


@dataclass(frozen=True)
class FarsiuOptions:
    """Parameters of `solve_farsiu`."""

    regularization: float = 0.02
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


def cost_gradient(observed: Observations, x: Tensor, regularization: float, prior: BilateralTV) -> Tensor:
    """``sum_k A_k^T w_k sign(A_k x - y_k) + lambda sum alpha^(|m|+|l|) (I - S^-m S^-l) sign(x - S^m S^l x)``.

    ``(H, W)`` like ``x``; the published gradient (equation 22 of Farsiu et al. 2004), with the weights w of the
    samples.
    """
    signs = observed.residual(x).sign_().neg_().mul_(observed.sample_weights())
    return observed.model.A_adjoint(signs).add_(prior.subgradient(x), alpha=regularization)


def descent_steps(first: float, last: float, count: int) -> list[float]:
    """``count`` step sizes that fall geometrically from ``first`` to ``last``."""
    ratio = (last / first) ** (1 / max(1, count - 1))
    return [first * ratio**number for number in range(count)]


def solve_farsiu(observed: Observations, start: Tensor, options: FarsiuOptions) -> Tensor:
    """Minimise ``sum_k |y_k - A_k x|_1 + lambda BTV(x)``, ``(H, W)`` like ``start``, by steepest descent.

        x <- x - beta { sum_k A_k^T sign(A_k x - y_k) + lambda BTV'(x) }

    Farsiu, Robinson, Elad and Milanfar 2004, general motion. A constant beta ends in a neighbourhood of the minimum as
    wide as beta itself: the cost stays above the least by up to ``beta / 2`` times the squared length of the gradient.
    So beta falls here unless ``last_step`` says otherwise; ``step`` times the number of samples that a pixel touches
    should stay under about a tenth of the range of values. Cost per step and pixel: two blurs, 4 r (r + 1) signs,
    and 8 multiplications for each sample. float32 or float64.
    """
    prior = BilateralTV(options.radius, options.alpha)
    x = start.clone()
    for beta in descent_steps(options.step, options.last_step, options.iterations):
        x.add_(cost_gradient(observed, x, options.regularization, prior), alpha=-beta)
    return x
