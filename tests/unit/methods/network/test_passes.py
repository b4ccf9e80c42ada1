"""Any magnification from the networks there are."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.methods.method import Geometry
from vsr.methods.network.model import MAX_PASSES, magnification, plan_passes


@pytest.mark.parametrize(
    ("factor", "scales", "passes"),
    [
        (4, (4,), (4,)),
        (3, (4,), (4,)),
        (3, (2, 3, 4), (3,)),
        (8, (2, 4), (2, 4)),
        (8, (2, 4, 8), (8,)),
        (6, (2, 3, 4), (2, 3)),
        (Fraction(3, 2), (2, 3, 4), (2,)),
        (Fraction(5, 2), (2,), (2, 2)),
        (1, (2, 4), (2,)),
        (1, (1,), (1,)),
        (2, (1,), (1,)),
        (16, (2,), (2, 2, 2, 2)),
        (100, (2,), (2, 2, 2, 2)),
        (Fraction(641, 320), (2,), (2,)),
        (Fraction(1, 2), (2,), ()),
        (3, (), (3,)),
        (Fraction(7, 2), (), (4,)),
    ],
)
def test_chains(factor: float, scales: tuple[int, ...], passes: tuple[int, ...]) -> None:
    assert plan_passes(Fraction(factor), scales) == passes


@given(
    factor=st.fractions(1, 40),
    scales=st.sets(st.integers(1, 8), min_size=1, max_size=4).map(lambda found: tuple(sorted(found))),
)
def test_a_chain_reaches_the_size_with_as_few_passes_as_can_be(factor: Fraction, scales: tuple[int, ...]) -> None:
    passes = plan_passes(factor, scales)
    assert set(passes) <= set(scales)
    assert list(passes) == sorted(passes)
    assert len(passes) <= MAX_PASSES
    most = max(scales) ** MAX_PASSES
    if most >= factor:
        assert math.prod(passes) >= factor * Fraction(50, 51)
        assert len(passes) == 1 or max(scales) ** (len(passes) - 1) < factor, "one pass less would not do"
    assert plan_passes(factor, passes) == passes, "the same with only the networks that are used"


def test_the_larger_side_counts() -> None:
    assert magnification(Geometry(100, 50, 150, 100)) == 2
