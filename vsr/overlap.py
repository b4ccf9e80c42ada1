"""Stages side by side: iterators that work ahead in threads of their own, within bounds, in the same order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Overlap", "map_ahead", "share"]

T = TypeVar("T")
R = TypeVar("R")
_POLL_SECONDS = 0.05


class _Done:
    """End of the items, with what ended them."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Overlap(Generic[T]):
    """The same items in the same order, produced up to ``depth`` ahead in a thread called ``name``.

    An exception of the producer is raised here, in its place. Use it as a context manager: leaving it stops the
    producer at its next item, closes it in its own thread and waits for that, whether or not anything was read.
    The thread begins on entry, or at the first item, so that an interrupt leaves no thread running.
    """

    def __init__(self, items: Iterable[T], depth: int, name: str) -> None:
        self._queue: queue.Queue[T | _Done] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._beginning, self._over = threading.Lock(), threading.Event()
        self._is_started = self._is_working = self._ended = False
        self._thread = threading.Thread(target=self._work, args=(items,), name=name, daemon=True)

    def __enter__(self) -> Overlap[T]:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        self._start()
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
        """Stop the producer and wait until it has stopped; nothing more is returned.

        The first interrupt meanwhile is raised when it has; a second one does not wait.
        """
        try:
            self._end()
        except KeyboardInterrupt:
            self._end()
            raise

    def _end(self) -> None:
        with self._beginning:
            self._stop.set()
            is_working = self._is_working
        if is_working:
            self._over.wait()  # an interrupted join would take the thread for ended (Python 3.11)
            self._thread.join()
        self._ended = True

    def _start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        try:
            self._thread.start()
        except BaseException:  # an interrupt while the thread comes up
            self.close()
            raise

    def _work(self, items: Iterable[T]) -> None:
        with self._beginning:
            if self._stop.is_set():
                return  # ended before it had come up: what it would read may be closed
            self._is_working = True
        try:
            self._put(_Done(self._produce(items)))
        finally:
            self._over.set()

    def _produce(self, items: Iterable[T]) -> BaseException | None:
        """Put all ``items`` on the queue while the consumer takes them; returns the error to raise there, if any."""
        try:
            iterator = iter(items)
            try:
                for item in iterator:
                    if not self._put(item):
                        break
            finally:
                close = getattr(iterator, "close", None)
                if close is not None:
                    close()
        except BaseException as error:
            return error
        return None

    def _put(self, item: T | _Done) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False


def map_ahead(function: Callable[[T], R], items: Iterable[T], threads: int, name: str) -> Iterator[R]:
    """``function`` of each of ``items``, in their order, computed in up to ``threads`` threads side by side.

    Items are read by whoever iterates, at most ``threads`` beyond the one whose result is asked for. One thread: there
    is none besides, and nothing is read ahead.
    """
    if threads <= 1:
        yield from map(function, items)
        return
    ahead: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Shared(Generic[T]):
    """Items that two readers take."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items, self._lock = iter(items), threading.Lock()
        self._waiting: tuple[deque[T], deque[T]] = deque(), deque()
        self._end: BaseException | None = None

    def take(self, reader: int) -> T:
        """The next item for ``reader``, 0 or 1; both meet with what ends the items."""
        with self._lock:
            if self._waiting[reader]:
                return self._waiting[reader].popleft()
            if self._end is not None:
                raise self._end
            try:
                item = next(self._items)
            except BaseException as end:
                self._end = end
                raise
            self._waiting[1 - reader].append(item)
            return item

    def read(self, reader: int) -> Iterator[T]:
        """All items, for ``reader``."""
        while True:
            try:
                yield self.take(reader)
            except StopIteration:
                return


def share(items: Iterable[T]) -> tuple[Iterator[T], Iterator[T]]:
    """``items`` twice, for two threads, as `itertools.tee`; what one is ahead of the other is held."""
    shared = _Shared(items)
    return shared.read(0), shared.read(1)
