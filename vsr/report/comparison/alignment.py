"""Frames of several videos brought together by their times.

A frame's time has been rounded to its container's clock, so equal times differ by up to half a tick of each. What has
no partner is counted, and where it lies is kept: nothing is paired by number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, Protocol, TypeVar

__all__ = ["Alignment", "Stray", "Timed", "tolerance"]


class Timed(Protocol):
    """Something with a time."""

    @property
    def seconds(self) -> Fraction:
        """Presentation time."""
        ...


T = TypeVar("T", bound=Timed)


@dataclass
class Stray:
    """Frames of one video that have no partner in some other."""

    count: int = 0
    first: Fraction | None = None
    """Time of the first, by the file's own clock."""
    last: Fraction | None = None

    def add(self, seconds: Fraction) -> None:
        """One more."""
        self.count += 1
        self.first = seconds if self.first is None else self.first
        self.last = seconds


def tolerance(ticks: Sequence[Fraction], rates: Sequence[Fraction | None]) -> Fraction:
    """Seconds by which equal times may differ: half a tick of two clocks, and never a quarter of a frame."""
    coarsest = sum(sorted(ticks)[-2:], Fraction(0)) / 2
    known = [rate for rate in rates if rate]
    return min(coarsest, Fraction(1, 4) / max(known)) if known else coarsest


class Alignment(Generic[T]):
    """Groups of frames, one of each video, that are shown at one time; in order."""

    def __init__(self, streams: Sequence[Iterator[T]], offsets: Sequence[Fraction], within: Fraction) -> None:
        """``offsets`` are added to the times of each stream before they are compared."""
        self._streams, self._offsets, self._within = streams, offsets, within
        self.strays = [Stray() for _ in streams]
        self.counts = [0 for _ in streams]
        """Frames of each, paired or not."""
        self.num_groups = 0
        self.has_ended = False
        """Whether one of the videos has come to its end."""

    def __iter__(self) -> Iterator[tuple[T, ...]]:
        heads = [self._next(index) for index in range(len(self._streams))]
        while any(head is not None for head in heads):
            times = [head.seconds + offset if head else None for head, offset in zip(heads, self._offsets, strict=True)]
            now = min(time for time in times if time is not None)
            present = [index for index, time in enumerate(times) if time is not None and time - now <= self._within]
            if len(present) == len(heads):
                self.num_groups += 1
                yield tuple(head for head in heads if head is not None)
            else:
                for index in present:
                    head = heads[index]
                    assert head is not None
                    self.strays[index].add(head.seconds)
            for index in present:
                heads[index] = self._next(index)

    def _next(self, index: int) -> T | None:
        frame = next(self._streams[index], None)
        if frame is None:
            self.has_ended = True
        else:
            self.counts[index] += 1
        return frame
