"""Stages side by side: order, errors, early ends, and no thread left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from vsr.overlap import Overlap, map_ahead, share


def _named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_items_come_in_order(depth: int) -> None:
    assert list(Overlap(range(500), depth, "order")) == list(range(500))
    assert not _named("order")


def test_the_producer_works_ahead_but_not_beyond_the_depth() -> None:
    made = 0

    def produce() -> Iterator[int]:
        nonlocal made
        for number in range(100):
            made = number + 1
            yield number

    items = Overlap(produce(), 3, "ahead")
    time.sleep(0.1)
    assert made == 0  # not before somebody can stop it
    assert next(items) == 0
    time.sleep(0.3)
    assert 3 <= made <= 6
    items.close()


def test_the_producer_runs_in_its_own_thread() -> None:
    assert list(Overlap((threading.current_thread().name for _ in range(2)), 1, "elsewhere")) == ["elsewhere"] * 2


def test_an_error_arrives_after_the_items_before_it() -> None:
    def produce() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("mine")

    items = Overlap(produce(), 5, "error")
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="mine"):
        next(items)
    assert not _named("error")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_even_an_interrupt_is_passed_on(error: type[BaseException]) -> None:
    def produce() -> Iterator[int]:
        yield 1
        raise error

    items = Overlap(produce(), 1, "interrupt")
    next(items)
    with pytest.raises(error):
        next(items)


def test_closing_early_closes_the_producer_in_its_thread() -> None:
    closed_by: list[str] = []

    def produce() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed_by.append(threading.current_thread().name)

    items = Overlap(produce(), 2, "closing")
    next(items)
    items.close()
    assert closed_by == ["closing"]
    assert not _named("closing")


def test_nested_stages_close_together() -> None:
    inner = Overlap(iter(range(10**9)), 2, "inner")
    outer = Overlap((n * 2 for n in inner), 2, "outer")
    assert [next(outer) for _ in range(5)] == [0, 2, 4, 6, 8]
    outer.close()
    inner.close()
    assert not _named("inner")
    assert not _named("outer")


def test_an_error_in_the_consumer_ends_the_producer() -> None:
    def consume() -> None:
        items = Overlap(iter(range(10**9)), 2, "abandoned")
        try:
            for item in items:
                if item == 3:
                    raise ValueError("consumer")
        finally:
            items.close()

    with pytest.raises(ValueError, match="consumer"):
        consume()
    assert not _named("abandoned")


def test_nothing_in_nothing_out() -> None:
    assert list(Overlap([], 1, "empty")) == []
    assert not _named("empty")


def test_stages_really_overlap() -> None:
    """While one item is held, the next is being made: whoever waits for the other to finish first waits in vain."""
    making = [threading.Event() for _ in range(21)]

    def source() -> Iterator[int]:
        for number in range(20):
            making[number].set()
            yield number
        making[20].set()

    for number in Overlap(source(), 2, "together"):
        assert making[number + 1].wait(timeout=30)


_INTERRUPTED = """
import os, signal, threading, time
from vsr.overlap import Overlap

at_work = threading.Event()

def produce():
    at_work.set()
    try:
        while True:
            time.sleep(0.001)
            yield 0
    finally:
        at_work.clear()

def interrupt():
    time.sleep({delay})
    os.kill(os.getpid(), signal.SIGINT)

for _ in range(100):
    killer = threading.Thread(target=interrupt)
    try:
        killer.start()
        with Overlap(produce(), 1, "stage") as outer, Overlap(outer, 1, "next") as inner:
            began = time.monotonic()
            for _ in inner:
                if time.monotonic() - began > 3:  # Python drops an interrupt that comes in some of its callbacks
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert not at_work.is_set()
    killer.join()
while len(threading.enumerate()) > 1:  # one that came up when all was over ends by itself
    time.sleep(0.01)
print("always")
"""


@pytest.mark.parametrize("delay", [0.0, 0.0003, 0.003])
def test_an_interrupt_at_any_moment_leaves_no_stage_behind(delay: float) -> None:
    """What a stage reads is closed after it: one that went on would read freed memory."""
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED.format(delay=delay)], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("always\n", "")


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_results_of_threads_come_in_the_order_of_the_items(threads: int) -> None:
    def square(number: int) -> int:
        time.sleep(0.002 * (number % 3 == 0))
        return number * number

    assert list(map_ahead(square, range(50), threads, "square")) == [number * number for number in range(50)]


def test_threads_work_side_by_side() -> None:
    barrier = threading.Barrier(3, timeout=10)  # broken, and an error, if fewer than three are in it at a time
    assert len(list(map_ahead(lambda _: barrier.wait(), range(9), 3, "beside"))) == 9


@pytest.mark.parametrize("threads", [1, 3])
def test_no_item_is_read_farther_ahead_than_there_are_threads(threads: int) -> None:
    source = iter(range(100))
    results = map_ahead(str, source, threads, "bounded")
    assert list(islice(results, 10)) == [str(number) for number in range(10)]
    assert next(source) == 10 + threads * (threads > 1)


def test_an_error_in_a_thread_arrives_in_its_place_and_leaves_no_thread() -> None:
    def fail(number: int) -> int:
        if number == 3:
            raise KeyError("third")
        return number

    results = map_ahead(fail, range(100), 2, "failing")
    assert list(islice(results, 3)) == [0, 1, 2]
    with pytest.raises(KeyError, match="third"):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("failing")]


def test_two_threads_share_items() -> None:
    first, second = share(iter(range(1000)))
    with Overlap(second, 3, "second") as ahead:
        pairs = [(one, next(ahead)) for one in first]
    assert pairs == [(number, number) for number in range(1000)]


def test_both_readers_meet_the_error_that_ends_the_items() -> None:
    def produce() -> Iterator[int]:
        yield 1
        raise OSError("the disk")

    for reader in share(produce()):
        assert next(reader) == 1
        with pytest.raises(OSError, match="the disk"):
            next(reader)
