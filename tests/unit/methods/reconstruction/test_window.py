"""The sliding window: which frames it offers, what it computes once, and what it lets go of."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods.reconstruction.window import Seen, Window
from vsr.registration import FlowPair, compose_flows, invert_flow

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


def test_only_steps_are_registered_each_once_the_earlier_frame_first() -> None:
    calls: list[tuple[float, float]] = []

    def register(first: Tensor, second: Tensor) -> None:
        calls.append((float(first[0, 0]), float(second[0, 0])))

    window = Window((_seen(number) for number in range(12)), 2, 1, register)
    for number in window.advance():
        for asked in range(max(0, number - 1), number + 1):
            assert window.motions_to(asked) == {}
    assert sorted(calls) == [(float(number), float(number + 1)) for number in range(11)]


def test_motion_over_several_frames_follows_the_steps() -> None:
    """Composed, not added: the second step is read where the first one leads."""
    steps = {0.0: torch.tensor([0.0, 1.0]), 1.0: torch.tensor([1.0, 0.0])}
    ramp = torch.arange(8.0).expand(8, 8) / 8

    def register(first: Tensor, second: Tensor) -> FlowPair:
        flow = steps[float(first[0, 0])][:, None, None] * (1 + ramp)
        return FlowPair(flow, invert_flow(flow))

    window = Window((_seen(number) for number in range(3)), 1, 0, register)
    pairs = [window.motions_to(number) for number in window.advance()]
    pair = pairs[2][0]
    expected = compose_flows(*(steps[float(k)][:, None, None] * (1 + ramp) for k in (0, 1)))
    assert torch.equal(pair.forward, expected)
    assert torch.allclose(pair.backward[:, 3:5, 3:5], invert_flow(expected)[:, 3:5, 3:5], atol=0.02)
    assert (pair.forward[0] - (1 + ramp)).abs().max() > 0.1


def test_a_step_that_cannot_be_estimated_ends_the_path() -> None:
    def register(first: Tensor, second: Tensor) -> FlowPair | None:
        return None if float(first[0, 0]) == 1 else _difference(first, second)

    window = Window((_seen(number) for number in range(5)), 2, 0, register)
    found = {number: sorted(window.motions_to(number)) for number in window.advance()}
    assert found == {0: [1], 1: [0], 2: [3, 4], 3: [2, 4], 4: [2, 3]}


def test_motion_back_is_the_motion_there_reversed() -> None:
    window = _window(3, radius=1)
    for number in window.advance():
        if number == 1:
            before, after = (window.motions_to(1)[other] for other in (0, 2))
            assert float(before.forward[0, 0, 0]) == float(after.backward[0, 0, 0]) == 1.0
            assert float(before.backward[0, 0, 0]) == float(after.forward[0, 0, 0]) == -1.0


def test_the_source_is_read_two_frames_further_than_needed() -> None:
    read: list[int] = []

    def source() -> Iterator[Seen]:
        for number in range(100):
            read.append(number)
            yield _seen(number)

    window = Window(source(), 3, 2, _difference)
    for number in window.advance():
        assert len(read) == min(100, max(6, number + 3 + 2) + 1)
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
        assert held <= 3 * radius + behind + 4
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
        window.motions_to(number)
        most = max(most, sum(ref() is not None for ref in made))
    assert len(made) == 59
    assert most < 10


def test_steps_are_known_before_they_are_needed() -> None:
    """What the next frame needs is registered while the present one is restored, without being asked for."""
    reached = threading.Event()

    def register(first: Tensor, second: Tensor) -> FlowPair:
        if float(second[0, 0]) == 10 + 3 + 2:
            reached.set()
        return _difference(first, second)

    window = Window((_seen(number) for number in range(30)), 3, 0, register)
    for number in window.advance():
        if number == 10:
            assert reached.wait(timeout=60)
            return
