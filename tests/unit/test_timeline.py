from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.errors import UsageError
from vsr.timeline import Segment, format_seconds, parse_position, parse_rate, parse_seconds, rescale


@pytest.mark.parametrize(
    ("ticks", "source", "target", "expected"),
    [
        (1, "1/2", "1", 1),  # halves go away from zero, as in av_rescale_q
        (-1, "1/2", "1", -1),
        (3, "1/2", "1", 2),
        (1001, "1/30000", "1/1000", 33),
        (2002, "1/30000", "1/1000", 67),
        (-1001, "1/30000", "1/1000", -33),
        (5, "1/1000", "1/90000", 450),
        (0, "1/7", "1/3", 0),
        (12345678901234567, "1/90000", "1/1000", 137174210013717),
    ],
)
def test_rescale_rounds_as_ffmpeg_does(ticks: int, source: str, target: str, expected: int) -> None:
    assert rescale(ticks, Fraction(source), Fraction(target)) == expected


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6), st.integers(1, 10**6))
def test_rescale_is_nearest_with_ties_away_from_zero(ticks: int, a: int, b: int) -> None:
    exact = Fraction(ticks) * Fraction(1, a) / Fraction(1, b)
    found = rescale(ticks, Fraction(1, a), Fraction(1, b))
    assert abs(found - exact) <= Fraction(1, 2)
    if abs(found - exact) == Fraction(1, 2):
        assert abs(found) > abs(exact)
    assert rescale(-ticks, Fraction(1, a), Fraction(1, b)) == -found


@given(st.integers(-(10**9), 10**9), st.fractions(min_value=Fraction(1, 10**6), max_value=1))
def test_rescale_to_the_same_clock_changes_nothing(ticks: int, base: Fraction) -> None:
    assert rescale(ticks, base, base) == ticks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", 120),
        ("120f", 120),
        (" 7 ", 7),
        ("0", 0),
        ("62.5", Fraction(125, 2)),
        ("62.5s", Fraction(125, 2)),
        ("62s", Fraction(62)),
        ("1:02.5", Fraction(125, 2)),
        ("1:02:03.5", Fraction(7447, 2)),
        ("0:00:00.1", Fraction(1, 10)),
        ("90:00", Fraction(5400)),
    ],
)
def test_positions(text: str, expected: int | Fraction) -> None:
    found = parse_position(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "-1",
        "-1s",
        "1:2:3:4",
        "1/2",
        "1:-2",
        "1.5f",
        "1:02f",
        "f",
        "s",
        "1::2",
        "12x",
        "nan",
        "inf",
        "٣:x",
        "1/0",
        "1/0s",
        "1e3s",
        "1e99999999s",
        "1" * 19,
        "0." + "1" * 19,
    ],
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a position"):
        parse_position(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("24", Fraction(24)),
        (" 25 ", Fraction(25)),
        ("23.976", Fraction(2997, 125)),
        ("30000/1001", Fraction(30000, 1001)),
        ("59.94/2", Fraction(2997, 100)),
    ],
)
def test_rates(text: str, rate: Fraction) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "abc", "0", "0.0", "1/0", "0/1", "-24", "1e99999999", "1_0", "inf", "9" * 10])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a frame rate"):
        parse_rate(text)


@pytest.mark.parametrize(("text", "seconds"), [("0.5", 0.5), ("-2s", -2), ("1/25", Fraction(1, 25))])
def test_numbers_of_seconds(text: str, seconds: Fraction | float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "later", "1/0", "1e99999999", "0x1", "1:02"])
def test_what_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a number of seconds"):
        parse_seconds(text)


@given(st.integers(0, 10**7))
def test_positions_round_trip_through_what_is_shown(millis: int) -> None:
    assert parse_position(format_seconds(Fraction(millis, 1000))) == Fraction(millis, 1000)


def test_seconds_are_shown_for_people() -> None:
    assert format_seconds(Fraction(3723) + Fraction(1, 3)) == "1:02:03.333"
    assert format_seconds(-0.5) == "-0:00:00.500"
    assert format_seconds(59.9999) == "0:01:00.000"


@pytest.mark.parametrize("bounds", [(5, 5, 5, 5), (5, 4, 4, 5), (5, 9, 6, 9), (5, 9, 5, 8), (-1, 3, -1, 3)])
def test_impossible_segments_are_refused(bounds: tuple[int, int, int, int]) -> None:
    start, stop, halo_start, halo_stop = bounds
    with pytest.raises(ValueError, match="not a segment"):
        Segment(0, start, stop, halo_start, halo_stop)


def test_a_segment_counts_its_core() -> None:
    assert Segment(0, 5, 9, 3, 11).num_frames == 4
    assert math.isfinite(Segment(0, 0, 1, 0, 1).num_frames)
