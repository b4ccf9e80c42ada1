"""Ctrl-C once: finish what runs. Ctrl-C twice: stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["gentle_interrupts"]


@contextmanager
def gentle_interrupts(on_first: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether the user has asked to stop; asking again raises `KeyboardInterrupt`.

    Outside the main thread signals cannot be heard, and it never says so; nor where they are ignored, as in the
    background of a script.
    """
    asked = threading.Event()
    is_deaf = threading.current_thread() is not threading.main_thread()
    if is_deaf or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield asked.is_set
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        on_first()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
