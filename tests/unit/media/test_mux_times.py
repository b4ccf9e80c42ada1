"""Decoding times rebuilt over a whole file."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.media import packets


def decode_times(pts: list[int]) -> list[int]:
    found: list[int] = packets.decode_times(np.array(pts, np.int64)).tolist()
    return found


def _decode_order(pts: list[int], depth: int, seed: int) -> list[int]:
    """Presentation times in an order in which no packet moves more than ``depth`` places."""
    order = []
    window: list[int] = []
    for index, time in enumerate(pts):
        window.append(time)
        if len(window) > depth:
            order.append(window.pop((seed * 31 + index * 17) % len(window)))
    return order + window


@given(
    st.sets(st.integers(-(10**6), 10**6), min_size=1, max_size=80),
    st.integers(0, 6),
    st.integers(0, 1000),
)
def test_rising_and_never_after_presentation(times: set[int], depth: int, seed: int) -> None:
    pts = _decode_order(sorted(times), depth, seed)
    dts = decode_times(pts)
    assert len(dts) == len(pts)
    assert all(a < b for a, b in pairwise(dts))
    assert all(d <= p for d, p in zip(dts, pts, strict=True))


@given(st.integers(2, 100), st.integers(1, 5000), st.integers(0, 4), st.integers(0, 99), st.integers(-1000, 1000))
def test_a_constant_rate_stays_one(count: int, step: int, depth: int, seed: int, first: int) -> None:
    pts = _decode_order([first + n * step for n in range(count)], depth, seed)
    assert {b - a for a, b in pairwise(decode_times(pts))} == {step}


def test_without_reordering_decoding_is_presentation() -> None:
    assert decode_times([0, 3, 4, 10]) == [0, 3, 4, 10]


@pytest.mark.parametrize(
    ("pts", "dts"),
    [([0, 3, 1, 2, 6, 4, 5], [-1, 0, 1, 2, 3, 4, 5]), ([0, 4, 2, 1, 3], [-2, -1, 0, 1, 2]), ([7], [7])],
)
def test_known_orders(pts: list[int], dts: list[int]) -> None:
    assert all(d <= p for d, p in zip(dts, pts, strict=True))
    assert decode_times(pts) == dts
