"""Threads as the operating system shares them out, whatever an encoder thinks of its own importance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["ordinary_scheduling"]

_THREADS = Path("/proc/self/task")


@contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """Undo changes of scheduling class made meanwhile, in this thread and in those that were started.

    SVT-AV1, run by root (as in a container), gives its threads and the one that opens it the highest real-time
    priority. Threads started later inherit it, and two that wait for a third in a loop then keep all cores from it.
    """
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    before = {thread.name for thread in _THREADS.iterdir()}
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameter)
            for thread in {thread.name for thread in _THREADS.iterdir()} - before:
                with suppress(ProcessLookupError):  # it has ended
                    os.sched_setscheduler(int(thread), policy, parameter)
