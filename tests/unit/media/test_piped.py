"""Frames of what is read once: how many of them are held."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice

import av
import pytest

from vsr.media.decode import FrameRecord
from vsr.media.filtering import FrameCopier
from vsr.media.piped import HeldFrames

NUM_FRAMES = 40
WAIT_SECONDS = 10


def _frame_bytes() -> int:
    """Of a copy, rows filled up as FFmpeg likes them."""
    [kept] = [FrameCopier().copy(frame) for _, frame in islice(_frames(), 1)]
    return sum(plane.buffer_size for plane in kept.planes)


def _frames() -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    for number in range(NUM_FRAMES):
        frame = av.VideoFrame(64, 48, "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        yield FrameRecord(number, number, number, "", 64, 48, "yuv420p", False, 1), frame


@pytest.fixture
def scanned() -> Iterator[tuple[HeldFrames, threading.Semaphore, threading.Thread]]:
    """A scan in a thread of its own that may hold five frames, and what counts the frames that it has given."""
    held, given = HeldFrames(5 * _frame_bytes()), threading.Semaphore(0)

    def scan() -> None:
        for _ in held.hold(_frames()):
            given.release()

    thread = threading.Thread(target=scan, daemon=True)
    thread.start()
    yield held, given, thread
    held.close()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def _take(given: threading.Semaphore, count: int) -> bool:
    return all(given.acquire(timeout=WAIT_SECONDS) for _ in range(count))


def test_the_scan_waits_while_much_is_held(
    scanned: tuple[HeldFrames, threading.Semaphore, threading.Thread],
) -> None:
    held, given, _ = scanned
    assert _take(given, 5)
    assert not given.acquire(timeout=0.3)
    held.forget_before(2)
    assert _take(given, 2)
    assert not given.acquire(timeout=0.3)


def test_it_goes_on_where_the_reader_waits_for_it(
    scanned: tuple[HeldFrames, threading.Semaphore, threading.Thread],
) -> None:
    held, given, thread = scanned
    assert _take(given, 5)
    held.want_more(True)
    assert _take(given, NUM_FRAMES - 5)
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def test_what_is_spared_stays(scanned: tuple[HeldFrames, threading.Semaphore, threading.Thread]) -> None:
    held, given, _ = scanned
    assert _take(given, 5)
    held.forget_before(4, spared={1})
    records = [record for record, _ in islice(_frames(), 5)]
    assert len(list(held.read([records[1], records[4]]))) == 2
    with pytest.raises(KeyError):
        list(held.read([records[2]]))
