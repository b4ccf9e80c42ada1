"""Stages side by side: an iterator that works ahead in a thread of its own, on a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["overlap"]

T = TypeVar("T")


class _Done:
    """End of the items, with what ended them."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Ahead(Generic[T]):
    def __init__(self, items: Iterable[T], depth: int, name: str) -> None:
        self._queue: queue.Queue[T | _Done] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(items,), name=name, daemon=True)
        self._thread.start()

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
                self._queue.put(item, timeout=0.05)
                return True
            except queue.Full:
                continue
        return False

    def stream(self) -> Iterator[T]:
        try:
            while True:
                item = self._queue.get()
                if isinstance(item, _Done):
                    if item.error is not None:
                        raise item.error
                    return
                yield item
        finally:
            self._stop.set()
            self._thread.join()


def overlap(items: Iterable[T], depth: int, name: str) -> Iterator[T]:
    """The same items in the same order, produced up to ``depth`` ahead in a thread called ``name``.

    An exception of the producer is raised here, in its place. Closing this iterator stops the producer at its
    next item, closes it in its own thread and waits for that.
    """
    return _Ahead(items, depth, name).stream()
