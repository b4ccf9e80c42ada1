"""The sliding window: which frames it offers, what it computes once, and what it lets go of."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.registration import FlowPair
from vsr.restorers.window import Seen, Window

GRAY = PixelLayout("grayf32le", "gray", 32, is_float=True)


def _seen(number: int) -> Seen:
    luma = torch.full((2, 2), float(number))
    return Seen(VideoFrame((luma,), GRAY, ColorSpec(), number, number, Fraction(1)), luma)


def _difference(first: Tensor, second: Tensor) -> FlowPair:
    """A motion that tells which two frames it was made of."""
    step = (second - first).expand(2, 2, 2)
    return FlowPair(step, -step)


def _window(length: int, radius: int, behind: int = 0) -> Window:
    return Window((_seen(number) for number in range(length)), radius, behind, _difference)


def test_neighbours_at_the_start_in_the_middle_and_at_the_end() -> None:
    window = _window(9, radius=2)
    offered = [window.neighbours(number) for number in window.advance()]
    assert offered[0] == [1, 2, 3, 4]
    assert offered[1] == [0, 2, 3, 4]
    assert offered[4] == [2, 3, 5, 6]
    assert offered[7] == [4, 5, 6, 8]
    assert offered[8] == [4, 5, 6, 7]


@given(st.integers(0, 25), st.integers(0, 4), st.integers(0, 3))
def test_neighbours_are_the_nearest_frames_and_are_there(length: int, radius: int, behind: int) -> None:
    window, numbers = _window(length, radius, behind), []
    for number in window.advance():
        numbers.append(number)
        for asked in range(max(0, number - behind), number + 1):
            first = min(max(0, asked - radius), max(0, length - 2 * radius - 1))
            near = range(first, min(length, first + 2 * radius + 1))
            assert window.neighbours(asked) == [other for other in near if other != asked]
            assert all(window[other].frame.ordinal == other for other in near)
    assert numbers == list(range(length))


def test_each_pair_is_registered_once_the_earlier_frame_first() -> None:
    calls: list[tuple[float, float]] = []

    def register(first: Tensor, second: Tensor) -> None:
        calls.append((float(first[0, 0]), float(second[0, 0])))

    window = Window((_seen(number) for number in range(12)), 2, 1, register)
    for number in window.advance():
        for asked in range(max(0, number - 1), number + 1):
            for other in window.neighbours(asked):
                assert window.motion(other, asked) is None
                assert window.motion(asked, other) is None
    assert len(calls) == len(set(calls))
    assert all(first < second for first, second in calls)


def test_motion_back_is_the_motion_there_reversed() -> None:
    window = _window(3, radius=1)
    next(window.advance())
    there, back = window.motion(0, 2), window.motion(2, 0)
    assert there is not None
    assert back is not None
    assert float(there.forward[0, 0, 0]) == float(back.backward[0, 0, 0]) == 2.0
    assert float(back.forward[0, 0, 0]) == float(there.backward[0, 0, 0]) == -2.0


def test_the_source_is_read_only_as_far_as_needed() -> None:
    read: list[int] = []

    def source() -> Iterator[Seen]:
        for number in range(100):
            read.append(number)
            yield _seen(number)

    window = Window(source(), 3, 2, _difference)
    for number in window.advance():
        assert len(read) == min(100, max(6, number + 3) + 1)
        if number == 20:
            return


def test_frames_out_of_reach_are_let_go() -> None:
    radius, behind = 2, 1
    alive: list[weakref.ref[Seen]] = []

    def source() -> Iterator[Seen]:
        for number in range(60):
            seen = _seen(number)
            alive.append(weakref.ref(seen))
            yield seen
            del seen

    window = Window(source(), radius, behind, _difference)
    for number in window.advance():
        held = sum(ref() is not None for ref in alive)
        assert held <= 3 * radius + behind + 2
        if number > 2 * radius + behind:
            with pytest.raises(KeyError):
                window[number - 2 * radius - behind - 1]


def test_motions_out_of_reach_are_let_go() -> None:
    made: list[weakref.ref[FlowPair]] = []

    def register(first: Tensor, second: Tensor) -> FlowPair:
        pair = _difference(first, second)
        made.append(weakref.ref(pair))
        return pair

    window, most = Window((_seen(number) for number in range(60)), 2, 0, register), 0
    for number in window.advance():
        for other in window.neighbours(number):
            window.motion(other, number)
        most = max(most, sum(ref() is not None for ref in made))
    assert len(made) > 100
    assert most < 20
