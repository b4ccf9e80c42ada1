"""The model of Bradley and Terry: a published table, closed forms, derivatives by differences."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from vsr.report.blind.bradley_terry import (
    expected_ranks,
    fit_strengths,
    half_choices,
    rank_gradient,
    strength_covariance,
)

_LEAGUE = np.array(
    [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ],
    dtype=np.float64,
)
"""American League East, 1987: Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore (Agresti,
"Categorical data analysis", 2002, table 10.10)."""


def test_a_published_table() -> None:
    """Estimates and standard errors against Baltimore: Turner, Firth, "BradleyTerry2", J. Stat. Soft. 2012."""
    strengths = fit_strengths(_LEAGUE)
    expected = [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839]
    np.testing.assert_allclose((strengths - strengths[-1])[:-1], expected, atol=5e-5)
    spread = strength_covariance(_LEAGUE, strengths)
    errors = np.sqrt(np.diag(spread) + spread[-1, -1] - 2 * spread[-1])[:-1]
    np.testing.assert_allclose(errors, [0.3433, 0.3396, 0.3367, 0.3359, 0.3339, 0.3319], atol=5e-5)
    # Where all meet equally often, the expected wins are those counted, and the mean rank follows from them.
    np.testing.assert_allclose(expected_ranks(strengths), 7 - _LEAGUE.sum(1) / 13, atol=1e-6)


@pytest.mark.parametrize(("better", "worse"), [(9, 2), (12, 0), (0, 5)])
def test_two_alone(better: int, worse: int) -> None:
    """The logarithm of the odds with halves added, and Woolf's standard error (Gart 1966)."""
    wins = np.array([[0.0, better], [worse, 0.0]])
    wins = wins + half_choices(wins)
    first, second = fit_strengths(wins)
    assert first - second == pytest.approx(np.log((better + 0.5) / (worse + 0.5)), abs=1e-6)
    spread = strength_covariance(wins, np.array([first, second]))
    variance = spread[0, 0] + spread[1, 1] - 2 * spread[0, 1]
    assert variance == pytest.approx(1 / (better + 0.5) + 1 / (worse + 0.5), rel=1e-6)


def test_ranks_are_those_of_orders() -> None:
    """All orders, each as likely as one after the other is drawn in proportion to π (Plackett 1975)."""
    strengths = np.array([0.9, -0.2, 0.1, -0.8])
    weights, means = np.exp(strengths), np.zeros(4)
    for order in permutations(range(4)):
        left, chance = weights.sum(), 1.0
        for place in order:
            chance *= weights[place] / left
            left -= weights[place]
        for rank, place in enumerate(order, 1):
            means[place] += rank * chance
    np.testing.assert_allclose(expected_ranks(strengths), means)


def test_gradient_of_ranks() -> None:
    strengths, step = np.array([0.9, -0.2, 0.1]), 1e-6
    for place in range(3):
        ahead, behind = strengths.copy(), strengths.copy()
        ahead[place] += step
        behind[place] -= step
        slope = (expected_ranks(ahead) - expected_ranks(behind)) / (2 * step)
        np.testing.assert_allclose(rank_gradient(strengths)[:, place], slope, atol=1e-8)
