"""Stages side by side: order, errors, early ends, and no thread left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from vsr.pipeline.overlap import Overlap


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
from vsr.pipeline.overlap import Overlap

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
            for _ in inner:
                pass
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
