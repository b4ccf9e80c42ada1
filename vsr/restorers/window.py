"""The frames around the one being restored, and the motion between them, each pair computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor

from vsr.frames import VideoFrame
from vsr.registration import FlowPair

__all__ = ["Seen", "Window"]


@dataclass(frozen=True)
class Seen:
    """A frame in the window."""

    frame: VideoFrame
    luma: Tensor
    """``(h, w)`` float32, 0…1, on the device."""


class Window:
    """A stream of frames of one shot of which those near the current one can be looked at.

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
        self._pairs: dict[tuple[int, int], FlowPair | None] = {}

    def advance(self) -> Iterator[int]:
        """Numbers of the stream's frames in order, from 0; each is current until the next is asked for."""
        number = 0
        while True:
            self._fill(max(2 * self._radius, number + self._radius))
            if number >= self._read:
                return
            yield number
            number += 1
            self._forget(number - self._behind)

    def __getitem__(self, number: int) -> Seen:
        return self._frames[number]

    def neighbours(self, number: int) -> list[int]:
        """Numbers of the frames that frame ``number`` is restored with, itself left out."""
        first, last = number - self._radius, number + self._radius
        if first < 0:
            first, last = 0, 2 * self._radius
        if last >= self._read and self._ended:
            first, last = max(0, self._read - 1 - 2 * self._radius), self._read - 1
        return [other for other in range(first, min(last, self._read - 1) + 1) if other != number]

    def motion(self, start: int, end: int) -> FlowPair | None:
        """Motion from frame ``start`` to frame ``end``, and back; None where it cannot be told."""
        key = (min(start, end), max(start, end))
        if key not in self._pairs:
            self._pairs[key] = self._register(self._frames[key[0]].luma, self._frames[key[1]].luma)
        pair = self._pairs[key]
        return pair if pair is None or start < end else pair.reversed()

    def _fill(self, last: int) -> None:
        while self._read <= last and not self._ended:
            try:
                self._frames[self._read] = next(self._source)
            except StopIteration:
                self._ended = True
            else:
                self._read += 1

    def _forget(self, current: int) -> None:
        """Let go of what no frame from ``current`` on needs."""
        oldest = current - 2 * self._radius
        self._frames = {number: seen for number, seen in self._frames.items() if number >= oldest}
        self._pairs = {key: pair for key, pair in self._pairs.items() if key[1] >= current and key[0] >= oldest}
