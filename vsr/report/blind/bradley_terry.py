"""Strengths from choices between two: the model of Bradley and Terry, and the rank that it expects.

Bradley, Terry, "Rank analysis of incomplete block designs I: the method of paired comparisons", Biometrika 1952. Of i
and j, i is preferred with probability πᵢ / (πᵢ + πⱼ); strengths are θᵢ = log πᵢ, whose sum is 0. No difference counts
as half a choice for each. Matrices of choices, ``(K, K)``, hold at i, j how often i was preferred to j.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["expected_ranks", "fit_strengths", "half_choices", "rank_gradient", "strength_covariance"]

Array = NDArray[np.float64]


def half_choices(wins: Array) -> Array:
    """Half a choice for each side of every pair that was compared, ``(K, K)``, to be added to ``wins``.

    The likelihood has no maximum where one always wins (Ford 1957). For two alone the difference of strengths becomes
    the logarithm of the odds with the correction of Haldane and Anscombe.
    """
    return np.asarray(0.5 * (wins + wins.T > 0))


def fit_strengths(wins: Array) -> Array:
    """θ, ``(K,)``, at the maximum of the likelihood, which is concave. Comparisons must join all, both ways."""
    counts, won = wins + wins.T, wins.sum(1)

    def loss(free: Array) -> tuple[float, Array]:
        strengths = np.append(free, 0.0)
        unlikely = np.logaddexp(
            0.0, strengths[None] - strengths[:, None]
        )  # −log of the probability that i is preferred
        expected = (counts * _preferences(strengths)).sum(1)
        return float((wins * unlikely).sum()), (expected - won)[:-1]

    def curvature(free: Array) -> Array:
        return _information(wins, np.append(free, 0.0))[:-1, :-1]

    start = np.zeros(len(wins) - 1)
    found = minimize(loss, start, jac=True, hess=curvature, method="Newton-CG", options={"xtol": 1e-10})
    strengths = np.append(found.x, 0.0)
    return np.asarray(strengths - strengths.mean())


def strength_covariance(wins: Array, strengths: Array) -> Array:
    """Of θ, ``(K, K)``: the inverse of the information where the sum of θ is 0, as if all choices were independent."""
    return np.asarray(np.linalg.pinv(_information(wins, strengths), hermitian=True))


def expected_ranks(strengths: Array) -> Array:
    """The mean rank of each, ``(K,)``, 1 the best, if all were put in order: 1 + the sum of P(j is preferred to i).

    In the model's extension to orders (Plackett 1975) probabilities within pairs are those of pairs alone.
    """
    return np.asarray(0.5 + _preferences(strengths).sum(0))  # the diagonal has the other half


def rank_gradient(strengths: Array) -> Array:
    """Derivatives of rank i by strength k, ``(K, K)``."""
    slopes = _slopes(strengths)
    return np.asarray(slopes - np.diag(slopes.sum(1)))


def _preferences(strengths: Array) -> Array:
    """Probability that i is preferred to j, ``(K, K)``; a half on the diagonal."""
    return np.asarray(expit(strengths[:, None] - strengths[None]))


def _slopes(strengths: Array) -> Array:
    """Of these probabilities by the difference of strengths; 0 on the diagonal."""
    chances = _preferences(strengths)
    slopes = chances * chances.T
    np.fill_diagonal(slopes, 0.0)
    return np.asarray(slopes)


def _information(wins: Array, strengths: Array) -> Array:
    """Minus the second derivatives of the log-likelihood."""
    weights = (wins + wins.T) * _slopes(strengths)
    return np.asarray(np.diag(weights.sum(1)) - weights)
