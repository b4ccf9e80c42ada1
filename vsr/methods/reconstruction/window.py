"""The frames around the one being restored, and the motion between them, each step computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from torch import Tensor

from vsr.frames import VideoFrame
from vsr.registration import FlowPair, compose_pairs

__all__ = ["Seen", "Window"]

_AHEAD_FRAMES = 2  # read beyond a frame's neighbours, so that their motion is known when it is their turn
_MOTION_THREADS = 2  # of use before the first frame, which waits for all its neighbours


@dataclass(frozen=True)
class Seen:
    """A frame in the window."""

    frame: VideoFrame
    luma: Tensor
    """``(h, w)`` float32, 0…1, on the device."""


class Window:
    """A stream of frames of one shot of which those near the current one can be looked at.

    Only consecutive frames are registered; the motion between others is the composition of these steps. Between
    neighbours in time things move little, so what is found there is surer than a search over many frames. Steps are
    registered in threads of their own as soon as their frames are read, some frames ahead of the one being restored.

    Iterate with `advance`. A frame's neighbours are the ``2 * radius`` frames nearest to it: as many on either
    side, more on one side near the ends of the stream.
    """

    def __init__(
        self,
        frames: Iterable[Seen],
        radius: int,
        behind: int,
        register: Callable[[Tensor, Tensor], FlowPair | None],
    ) -> None:
        """``behind``: how many frames back of the current one neighbours may still be asked for."""
        self._source = iter(frames)
        self._radius, self._behind = radius, behind
        self._register = register
        self._frames: dict[int, Seen] = {}  # by number in the stream
        self._read = 0  # frames taken from the source
        self._ended = False
        self._steps: dict[int, Future[FlowPair | None]] = {}  # from the frame of that number to the next
        self._threads = ThreadPoolExecutor(_MOTION_THREADS, thread_name_prefix="motion")

    def advance(self) -> Iterator[int]:
        """Numbers of the stream's frames in order, from 0; each is current until the next is asked for."""
        number = 0
        ahead = self._radius + _AHEAD_FRAMES if self._radius else 0
        try:
            while True:
                self._fill(max(2 * self._radius, number + ahead))
                if number >= self._read:
                    return
                yield number
                number += 1
                self._forget(number - self._behind)
        finally:
            self._threads.shutdown(cancel_futures=True)

    def __getitem__(self, number: int) -> Seen:
        return self._frames[number]

    @property
    def newest(self) -> int:
        """Number of the last frame that has been read; -1 where there is none."""
        return self._read - 1

    def neighbours(self, number: int) -> list[int]:
        """Numbers of the frames that frame ``number`` is restored with, itself left out."""
        first, last = number - self._radius, number + self._radius
        if first < 0:
            first, last = 0, 2 * self._radius
        if last >= self._read and self._ended:
            first, last = max(0, self._read - 1 - 2 * self._radius), self._read - 1
        return [other for other in range(first, min(last, self._read - 1) + 1) if other != number]

    def motions_to(self, number: int) -> dict[int, FlowPair]:
        """Motion from each neighbour of frame ``number`` to that frame, and back, by the neighbour's number.

        A step that cannot be estimated ends the path: neighbours beyond it are left out.
        """
        requested = self.neighbours(number)
        found: dict[int, FlowPair] = {}
        for direction in (-1, 1):
            path: FlowPair | None = None
            for other in sorted((n for n in requested if (n - number) * direction > 0), reverse=direction < 0):
                step = self._step(other, other - direction)
                if step is None:
                    break
                path = step if path is None else compose_pairs(step, path)
                found[other] = path
        return found

    def _step(self, start: int, end: int) -> FlowPair | None:
        """Motion between two consecutive frames."""
        step = self._steps[min(start, end)].result()
        return step if step is None or start < end else step.reversed()

    def _fill(self, last: int) -> None:
        while self._read <= last and not self._ended:
            seen = next(self._source, None)
            if seen is None:
                self._ended = True
                return
            self._frames[self._read] = seen
            if self._radius and self._read:
                before = self._frames[self._read - 1]
                self._steps[self._read - 1] = self._threads.submit(self._register, before.luma, seen.luma)
            self._read += 1

    def _forget(self, current: int) -> None:
        """Let go of what no frame from ``current`` on needs."""
        oldest = current - 2 * self._radius
        self._frames = {number: seen for number, seen in self._frames.items() if number >= oldest}
        self._steps = {number: step for number, step in self._steps.items() if number >= oldest}
