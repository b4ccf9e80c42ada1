"""Which frames are shown: worst and cut frames first, the rest spread, never twice the same second."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vsr.report.page.picking import pick_excerpt, pick_frames
from vsr.report.page.records import Pair


def _pairs(count: int, rate: int = 25) -> list[Pair]:
    return [Pair(place, place, Fraction(place, rate)) for place in range(count)]


def test_worst_frames_and_cuts_are_among_them() -> None:
    consistency = dict.fromkeys(range(300), 50.0) | {100: 30.0, 101: 30.1, 102: 30.2, 250: 35.0, 20: 40.0}
    picks = pick_frames(_pairs(300), [60, 180], consistency, 12)
    by_place = {pick.pair.output: pick.reason for pick in picks}
    assert len(picks) == 12
    assert by_place[100] == by_place[250] == by_place[20] == "worst"
    assert by_place[60] == by_place[180] == "cut"
    assert 101 not in by_place
    assert [pick.pair.output for pick in picks] == sorted(by_place)


def test_without_anything_known_they_are_spread() -> None:
    places = [pick.pair.output for pick in pick_frames(_pairs(1000), [], {}, 9)]
    assert max(after - before for before, after in pairwise(places)) <= 260
    assert (places[0] < 130, places[-1] > 870) == (True, True)


@given(
    count=st.integers(1, 60),
    requested=st.integers(1, 20),
    cuts=st.sets(st.integers(1, 59)),
    values=st.dictionaries(st.integers(0, 59), st.floats(10, 80)),
)
def test_as_many_as_there_are_and_none_twice(
    count: int, requested: int, cuts: set[int], values: dict[int, float]
) -> None:
    inside = {place: value for place, value in values.items() if place < count}
    picks = pick_frames(_pairs(count), sorted(cut for cut in cuts if cut < count), inside, requested)
    assert len({pick.pair.output for pick in picks}) == len(picks) == min(requested, count)


def test_a_short_video_is_shown_whole() -> None:
    excerpt = pick_excerpt(_pairs(100), [40], 6.0, 180)
    assert (excerpt.is_whole, len(excerpt.pairs)) == (True, 100)


def test_an_excerpt_stays_inside_the_longest_shot() -> None:
    excerpt = pick_excerpt(_pairs(1000), [300, 500], 6.0, 180)
    places = [pair.output for pair in excerpt.pairs]
    assert not excerpt.is_whole
    assert places == list(range(places[0], places[0] + 150))
    assert (places[0] >= 500, abs(places[75] - 750) < 3) == (True, True)
    assert len(pick_excerpt(_pairs(5000, 500), [], 6.0, 180).pairs) == 180
