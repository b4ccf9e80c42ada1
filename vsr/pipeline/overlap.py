"""Stages side by side: an iterator that works ahead in a thread of its own, on a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["Overlap"]

T = TypeVar("T")
_POLL_SECONDS = 0.05


class _Done:
    """End of the items, with what ended them."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Overlap(Generic[T]):
    """The same items in the same order, produced up to ``depth`` ahead in a thread called ``name``.

    An exception of the producer is raised here, in its place. Use it as a context manager: leaving it stops the
    producer at its next item, closes it in its own thread and waits for that, whether or not anything was read.
    """

    def __init__(self, items: Iterable[T], depth: int, name: str) -> None:
        self._queue: queue.Queue[T | _Done] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._work, args=(items,), name=name, daemon=True)
        self._thread.start()

    def __enter__(self) -> Overlap[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        while True:
            try:
                item = self._queue.get(timeout=_POLL_SECONDS)
                break
            except queue.Empty:
                if self._stop.is_set():
                    raise StopIteration from None
        if not isinstance(item, _Done):
            return item
        self._ended = True
        self._thread.join()
        if item.error is not None:
            raise item.error
        raise StopIteration

    def close(self) -> None:
        """Stop the producer and wait until it has stopped; nothing more is returned."""
        self._stop.set()
        self._thread.join()
        self._ended = True

    def _work(self, items: Iterable[T]) -> None:
        error: BaseException | None = None
        iterator = iter(items)
        try:
            for item in iterator:
                if not self._put(item):
                    break
        except BaseException as caught:  # handed to the consumer, who raises it
            error = caught
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        self._put(_Done(error))

    def _put(self, item: T | _Done) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False
