"""Long gaps between frames, which containers of the MP4 family hold in 32 bits: hours, at a fine clock.

The pipe to ffmpeg is such a container, whatever the output's, so gaps are shortened in it and lengthened again by a
filter behind it. MP4 and MOV themselves can hold a long gap only by a coarser clock, which is no loss where every time
of the file is a multiple of its tick.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST_STEP", "ClosedGaps", "StepMeter", "close_gaps", "track_clock"]

LONGEST_STEP = (1 << 31) - 1
"""Largest 32-bit distance between two frames, or between a frame's decoding and its showing, in ticks."""

_REORDERED = 8  # frames between which the encoders here reorder
_CLOSED_TICKS = LONGEST_STEP // (2 * _REORDERED)
_SHORT_TICKS = 1 << 20


@dataclass(frozen=True)
class ClosedGaps:
    """Times with all long gaps shortened, and how to undo it."""

    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    gaps: tuple[tuple[int, int], ...]
    """For each gap the first shortened time behind it, and the ticks that were taken out of it."""

    def reopening(self, name: str, time_base: Fraction, origin: int) -> str:
        """An expression of ffmpeg's setts filter that gives the value ``name`` its true distance to ``origin``.

        Its input counts from the shortened time ``origin``, in whatever clock the filter finds.
        """
        terms = (
            f"+gte({name},{_in_ticks(place - origin, time_base)})*{_in_ticks(ticks, time_base)}"
            for place, ticks in self.gaps
        )
        return name + "".join(terms)


def _in_ticks(count: int, time_base: Fraction) -> str:
    seconds = count * time_base
    return f"round({seconds.numerator}/{seconds.denominator}/TB)"


def close_gaps(pts: NDArray[np.int64], dts: NDArray[np.int64]) -> ClosedGaps:
    """``pts`` and ``dts`` (ticks, in decode order) with every gap that the pipe could not hold shortened."""
    times = np.union1d(pts, dts)
    steps = np.diff(times)
    (places,) = np.nonzero(steps > _CLOSED_TICKS)
    if not len(places):
        return ClosedGaps(pts, dts, ())
    taken = steps[places] - _SHORT_TICKS
    behind = times[places + 1]  # the first time after each gap
    total = np.concatenate([[0], np.cumsum(taken)]).astype(np.int64)

    def shorten(values: NDArray[np.int64]) -> NDArray[np.int64]:
        shortened: NDArray[np.int64] = values - total[np.searchsorted(behind, values, side="right")]
        return shortened

    gaps = zip(shorten(behind).tolist(), taken.tolist(), strict=True)
    return ClosedGaps(shorten(pts), shorten(dts), tuple(gaps))


class StepMeter:
    """Tells, from times as they come, as soon as no MP4 or MOV track can hold them."""

    def __init__(self, time_base: Fraction, origin: int | None) -> None:
        """``origin`` is the time that becomes 0; None: the first one's."""
        self._time_base, self._origin = time_base, origin
        self._recent: list[int] = []
        self._common = self._longest = 0

    def add(self, times: Iterable[int]) -> bool:
        """Times (ticks) that follow those before; whether a track can still hold them all, each exactly."""
        for time in times:
            before = self._recent[-1] if self._recent else self._origin
            self._common = math.gcd(self._common, time - before) if before is not None else 0
            self._recent = [*self._recent[1 - _REORDERED :], time]
            self._longest = max(self._longest, time - self._recent[0])
        return track_clock(self._common, self._longest, self._time_base) is not None


def track_clock(common: int, longest: int, time_base: Fraction) -> int | None:
    """Ticks a second with which an MP4 or MOV track holds its times exactly; None where 32 bits are too few.

    All times are multiples of ``common`` ticks of ``time_base``; decoding, and showing after decoding, take up to
    ``longest`` ticks.
    """
    scale = time_base.denominator
    if longest * time_base.numerator <= LONGEST_STEP:
        return scale
    coarse = scale // math.gcd(scale, common * time_base.numerator)
    return coarse if longest * time_base * coarse <= LONGEST_STEP else None
