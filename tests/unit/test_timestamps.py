"""Times that rise, with the least change: each fault has its remedy, and what is right stays as it is."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.timestamps import LOOKAHEAD, Timestamp, TimestampRepairer, frame_ticks, repair_timestamps

STEP = 40
REGULAR = [STEP * n for n in range(60)]


def _used(times: list[Timestamp]) -> list[int]:
    return [time.used for time in times]


def _kinds(times: list[Timestamp]) -> dict[int, str]:
    return {n: time.kind for n, time in enumerate(times) if time.kind}


@given(
    st.lists(st.none() | st.integers(-(10**6), 10**6) | st.integers(0, 50), max_size=80),
    st.sampled_from([1, 2, 40, 3600, Fraction(1001, 30)]),
    st.none() | st.integers(100, 10_000),
)
def test_times_always_rise_and_none_is_lost(decoded: list[int | None], step: int | Fraction, gap: int | None) -> None:
    times = repair_timestamps(decoded, step, max_gap=gap)
    assert [time.decoded for time in times] == decoded
    assert all(before < after for before, after in pairwise(_used(times)))
    for time in times:  # what is not said to be repaired is the decoder's time, moved with its timeline
        assert time.kind or (time.decoded is not None and time.used == time.decoded + time.offset)


@given(st.lists(st.integers(-(10**9), 10**9), unique=True, max_size=100), st.sampled_from([1, 40, 90_000]))
def test_times_that_rise_are_never_touched(decoded: list[int], step: int) -> None:
    times = repair_timestamps(sorted(decoded), step)
    assert _used(times) == sorted(decoded)
    assert not _kinds(times)


@given(st.randoms(use_true_random=False), st.integers(1, 120), st.sampled_from([1, 40, 3003]))
def test_frames_out_of_order_are_sorted_exactly(rng: random.Random, count: int, step: int) -> None:
    """As decoders give them that do not know how far a stream reorders: within a group of frames."""
    decoded: list[int] = []
    while len(decoded) < count:
        group = [step * (len(decoded) + n) for n in range(rng.randint(1, 9))]
        rng.shuffle(group)
        decoded += group
    times = repair_timestamps(decoded, step)
    assert _used(times) == sorted(decoded)
    assert set(_kinds(times).values()) <= {"sorted"}
    assert set(_kinds(times)) == {n for n, time in enumerate(decoded) if time != step * n}


@given(st.integers(0, 59), st.sampled_from([-700_000, 700_000, -401, 423]))
def test_one_outlier_changes_one_frame(place: int, off: int) -> None:
    decoded = list(REGULAR)
    decoded[place] += off
    times = repair_timestamps(decoded, STEP)
    rises = all(before < after for before, after in pairwise(decoded))  # the last one late, the first one early
    assert _used(times) == (decoded if rises else REGULAR)
    assert _kinds(times) == ({} if rises else {place: "outlier"})


@given(st.integers(1, 7), st.integers(7, 50), st.sampled_from([-700_000, 700_000]))
def test_a_few_outliers_in_a_row_are_no_timeline(count: int, place: int, off: int) -> None:
    decoded = list(REGULAR)
    for n in range(place, place + count):
        decoded[n] += off
    times = repair_timestamps(decoded, STEP)
    assert _used(times) == REGULAR
    assert set(_kinds(times)) == set(range(place, place + count))


@given(st.integers(20, 60), st.integers(2, 60), st.integers(-(10**6), -1), st.booleans())
def test_a_lasting_jump_is_joined_at_a_frames_length(before: int, after: int, jump: int, is_third: bool) -> None:
    """Whatever the clock says afterwards, as long as it is not a continuation of the one before."""
    first = [STEP * n for n in range(before)]
    start = min(jump, -STEP * after - 1)  # does not reach the old timeline again
    decoded = first + [start + STEP * n for n in range(after)]
    if is_third:
        decoded += [start - 10**7 + STEP * n for n in range(30)]
    times = repair_timestamps(decoded, STEP)
    requested = [STEP * n for n in range(len(decoded))]
    if after >= 8 or not is_third:
        assert _used(times) == requested
        assert not _kinds(times)


@given(st.integers(8, 30), st.integers(8, 60), st.integers(-(10**6), -1))
def test_a_short_first_timeline_is_no_outlier(before: int, after: int, jump: int) -> None:
    """Though fewer frames would change if it followed the longer one: the whole of both may lie in the window."""
    start = min(jump, STEP * (before - after))  # frames that go on past the old clock are joined as well
    decoded = [STEP * n for n in range(before)] + [start + STEP * n for n in range(after)]
    times = repair_timestamps(decoded, STEP)
    assert _used(times) == [STEP * n for n in range(before + after)]


@given(
    st.lists(st.integers(1, 3), min_size=9, max_size=30),
    st.lists(st.none() | st.integers(-(10**6), 0), max_size=60),
)
def test_what_begins_as_a_timeline_keeps_its_place(steps: list[int], following: list[int | None]) -> None:
    """Nothing that comes after eight frames or more on one clock moves them before their start."""
    first = [STEP * n for n in accumulate(steps)]
    times = repair_timestamps([*first, *following], STEP)
    if any(time.kind == "sorted" for time in times):
        return  # they were as even in another order
    assert times[0].used == first[0]
    assert min(_used(times)) == first[0]


def test_a_recording_joined_to_itself() -> None:
    times = repair_timestamps(REGULAR + REGULAR, STEP)
    assert _used(times) == [STEP * n for n in range(120)]
    assert {time.offset for time in times} == {0, 60 * STEP}


def test_a_jump_back_that_overlaps_the_old_timeline() -> None:
    """The new clock soon passes the times of the old one: still a clock of its own."""
    again = [time - 25 * STEP for time in REGULAR]
    times = repair_timestamps(REGULAR + [60 * STEP + time for time in again], STEP)
    assert _used(times) == [STEP * n for n in range(120)]


def test_a_gap_is_a_gap_unless_the_clock_is_known_to_jump() -> None:
    decoded = REGULAR + [time + 10**6 for time in REGULAR]
    assert _used(repair_timestamps(decoded, STEP)) == decoded
    asked: list[tuple[int, int]] = []

    def is_jump(before: int, after: int) -> bool:
        asked.append((before, after))
        return True

    times = repair_timestamps(decoded, STEP, max_gap=10_000, is_jump=is_jump)
    assert _used(times) == [STEP * n for n in range(120)]
    assert asked == [(REGULAR[-1], 10**6)]
    assert _used(repair_timestamps(decoded, STEP, max_gap=10_000, is_jump=lambda before, after: False)) == decoded


@pytest.mark.parametrize(
    ("decoded", "step", "requested", "kinds"),
    [
        ([None] * 5, 40, [0, 40, 80, 120, 160], dict.fromkeys(range(5), "missing")),
        ([None, 40, None, 120, None], 40, [0, 40, 80, 120, 160], {0: "missing", 2: "missing", 4: "missing"}),
        ([0, None, 700_000], 40, [0, 40, 700_000], {1: "missing"}),
        ([0, 40, 40, 120], 40, [0, 40, 80, 120], {2: "repeated"}),
        ([0, 40, 80, 80, 120], 40, [0, 40, 80, 100, 120], {3: "repeated"}),
        ([5] * 4, 1, [5, 6, 7, 8], {1: "repeated", 2: "repeated", 3: "repeated"}),
        ([5] * 4, 40, [5, 45, 85, 125], {1: "repeated", 2: "repeated", 3: "repeated"}),
        ([1, 2, 4, 3, 5, 7, 6, 8], 1, [1, 2, 3, 4, 5, 6, 7, 8], dict.fromkeys([2, 3, 5, 6], "sorted")),
        ([0, 3, 1, 2, 6, 4, 5], 1, [0, 1, 2, 3, 4, 5, 6], dict.fromkeys(range(1, 7), "sorted")),
        ([], 40, [], {}),
        ([7], 40, [7], {}),
    ],
)
def test_each_fault_by_itself(
    decoded: list[int | None], step: int, requested: list[int], kinds: dict[int, str]
) -> None:
    times = repair_timestamps(decoded, step)
    assert _used(times) == requested
    assert _kinds(times) == kinds


def test_regular_times_settle_at_once_and_others_within_the_window() -> None:
    repairer = TimestampRepairer(STEP)
    first = [len(repairer.push(time)) for time in REGULAR[: LOOKAHEAD + 5]]
    assert sum(first) == LOOKAHEAD + 5  # the first frame of all waits for a window, then each comes at once
    assert first[-1] == 1
    assert repairer.push(10**6) == []
    waiting = [len(repairer.push(10**6 + STEP * n)) for n in range(1, LOOKAHEAD + 1)]
    assert waiting[:-1] == [0] * (LOOKAHEAD - 1)
    assert waiting[-1] == LOOKAHEAD + 1


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_frames_tell_their_step_themselves(step: int) -> None:
    """Headers that claim another rate do no harm once there are frames."""
    decoded: list[int | None] = [*REGULAR, *REGULAR]  # joined
    decoded[30], decoded[80] = None, 10**6
    times = repair_timestamps(decoded, step)
    assert _used(times) == [STEP * n for n in range(120)]


def test_a_rate_that_is_a_clock_is_no_rate() -> None:
    base = Fraction(1, 1000)
    assert frame_ticks(base, Fraction(50), Fraction(100)) == 20
    assert frame_ticks(base, Fraction(1000), Fraction(100)) == 10
    assert frame_ticks(base, None, Fraction(0)) == 40


def test_a_frame_lasts_some_time() -> None:
    with pytest.raises(ValueError, match="cannot last 0 ticks"):
        TimestampRepairer(0)
