"""Frames are paired by time: whatever the clocks, and nothing by number."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from vsr.report.comparison.alignment import Alignment, tolerance

F = Fraction


@dataclass(frozen=True)
class At:
    """A frame that is nothing but its time."""

    seconds: Fraction


def _aligned(*times: list[Fraction], within: Fraction | None = None, offset: int = 0) -> Alignment[At]:
    """``offset`` is added to the times of the second."""
    offsets = [F(offset) if number == 1 else F(0) for number in range(len(times))]
    return Alignment([iter([At(t) for t in each]) for each in times], offsets, within or F(0))


def test_missing_frames_are_counted_where_they_are() -> None:
    alignment = _aligned([F(n, 25) for n in range(10)], [F(n, 25) for n in range(3, 14) if n != 6])
    groups = list(alignment)
    assert [group[0].seconds for group in groups] == [F(n, 25) for n in (3, 4, 5, 7, 8, 9)]
    assert all(a.seconds == b.seconds for a, b in groups)
    first, second = alignment.strays
    assert (first.count, first.first, first.last) == (4, F(0), F(6, 25))
    assert (second.count, second.first, second.last) == (4, F(10, 25), F(13, 25))
    assert alignment.counts == [10, 10]


def test_a_double_rate_pairs_with_every_other_frame() -> None:
    slow, fast = [F(n, 25) for n in range(8)], [F(n, 50) for n in range(16)]
    alignment = _aligned(slow, fast, within=tolerance([F(1, 25), F(1, 50)], [F(25), F(50)]))
    assert [a.seconds == b.seconds for a, b in alignment] == [True] * 8
    assert [stray.count for stray in alignment.strays] == [0, 8]


def test_three_videos_need_all_three() -> None:
    alignment = _aligned([F(0), F(1), F(2)], [F(1), F(2)], [F(0), F(2)])
    assert [[frame.seconds for frame in group] for group in alignment] == [[F(2)] * 3]
    assert [stray.count for stray in alignment.strays] == [2, 1, 1]


def test_an_offset_moves_one_clock() -> None:
    alignment = _aligned([F(36001), F(36002)], [F(0), F(1)], offset=36001)
    assert len(list(alignment)) == 2


@given(
    rate=st.sampled_from([F(24000, 1001), F(25), F(30000, 1001), F(50), F(120000, 1001), F(240)]),
    count=st.integers(1, 60),
)
def test_milliseconds_pair_with_exact_clocks(rate: Fraction, count: int) -> None:
    exact = [n / rate for n in range(count)]
    rounded = [F(round(time * 1000), 1000) for time in exact]
    alignment = _aligned(exact, rounded, within=tolerance([F(1, 90000), F(1, 1000)], [rate, rate]))
    assert len(list(alignment)) == count
    assert alignment.num_groups == count


@given(st.lists(st.lists(st.integers(0, 40), unique=True).map(sorted), min_size=2, max_size=3))
def test_groups_are_exactly_the_common_times(times: list[list[int]]) -> None:
    alignment = _aligned(*([F(n) for n in each] for each in times))
    found = [int(group[0].seconds) for group in alignment]
    assert found == sorted(set.intersection(*map(set, times)))
    assert [stray.count + len(found) for stray in alignment.strays] == [len(each) for each in times]
