"""Paces and what is left: no jumps, and nothing of the start-up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.pipeline.progress import Pace


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_start_up_does_not_count() -> None:
    clock = _Clock()
    pace = Pace(clock)
    pace.count(0)
    clock.now += 30
    pace.count(1)
    assert pace.remaining(99) is None, "of one image nobody knows a pace"
    for number in range(2, 12):
        clock.now += 0.5
        pace.count(number)
    assert pace.per_second == pytest.approx(2)
    assert pace.remaining(60) == pytest.approx(30)


def test_an_estimate_drifts_to_a_new_pace() -> None:
    clock = _Clock()
    pace = Pace(clock)
    total, estimates = 10_000, []
    for number in range(1, 400):
        clock.now += 0.1 if number < 100 else 1.0
        pace.count(number)
        left = pace.remaining(total - number)
        if left is not None:
            estimates.append(left)
    assert estimates[20] == pytest.approx(1000, rel=0.1)
    assert estimates[-1] == pytest.approx(total - 400, rel=0.2), "it gets there"
    steps = [abs(after - before) for before, after in pairwise(estimates)]
    assert max(steps) < 0.1 * total, "without a jump"


@given(st.floats(0.01, 50), st.integers(2, 200))
def test_a_steady_pace_is_estimated_as_it_is(seconds: float, count: int) -> None:
    clock = _Clock()
    pace = Pace(clock)
    for number in range(1, count + 1):
        clock.now += seconds
        pace.count(number)
        remaining = pace.remaining(1000 - number)
    assert pace.per_second == pytest.approx(1 / seconds)
    assert remaining == pytest.approx((1000 - count) * seconds)


def test_an_estimate_runs_down_while_nothing_comes() -> None:
    clock = _Clock()
    pace = Pace(clock)
    for number in range(1, 11):
        clock.now += 1
        pace.count(number)
    first = pace.remaining(100)
    clock.now += 3
    second = pace.remaining(100)
    assert first is not None
    assert second is not None
    assert second < first
