"""Exact time, and the pieces a video is cut into. Standard library only.

A frame is known by its ordinal: its place in a linear decode of the whole stream, from 0. Times are
``Fraction`` seconds or integer ticks of a time base; floats are for showing only. Ranges are half-open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from vsr.errors import UsageError

__all__ = ["Segment", "format_seconds", "parse_position", "parse_rate", "parse_seconds", "rescale"]

# Of sane length: a few characters such as 1e99999999 would otherwise be a number that takes minutes to work out.
_DECIMAL = r"(?:[0-9]{1,12}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})"
_FRAME = re.compile(r"([0-9]{1,18})f?")
_TIME = re.compile(rf"({_DECIMAL}(?::{_DECIMAL}){{0,2}})s?")
_SECONDS = re.compile(rf"([+-]?{_DECIMAL})(?:/([0-9]{{1,12}}))?s?")
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,12})?)(?:/([0-9]{1,9}))?")


def rescale(ticks: int, source: Fraction, target: Fraction) -> int:
    """``ticks`` of time base ``source`` in ticks of ``target``, rounded once, halves away from zero.

    This is FFmpeg's ``av_rescale_q`` rule, so both sides of a comparison agree on ties.
    """
    exact = Fraction(ticks) * source / target
    sign = -1 if exact < 0 else 1
    return sign * int(abs(exact) + Fraction(1, 2))


@dataclass(frozen=True)
class Segment:
    """A run of frames that is restored and encoded as one piece.

    ``start``/``stop`` (exclusive) bound the core: the frames that are written. ``halo_start``/``halo_stop``
    bound the core plus the context frames that are decoded but not written; the halo never leaves the shot.
    """

    index: int
    """Place among the file's segments, from 0."""
    start: int
    """Ordinal of the first core frame."""
    stop: int
    """Ordinal after the last core frame."""
    halo_start: int
    """Ordinal of the first frame the restorer sees."""
    halo_stop: int
    """Ordinal after the last frame the restorer sees."""

    def __post_init__(self) -> None:
        if not 0 <= self.halo_start <= self.start < self.stop <= self.halo_stop:
            raise ValueError(f"not a segment: {self}")

    @property
    def num_frames(self) -> int:
        """Number of core frames."""
        return self.stop - self.start


def parse_position(text: str) -> int | Fraction:
    """A place in a video: ``"120"`` or ``"120f"`` is a frame ordinal; ``"1:02:03.5"``, ``"62.5s"``, ``"62.5"`` a time.

    Returns an ``int`` ordinal or a ``Fraction`` of seconds. Raises `UsageError` for anything else.
    """
    raw = text.strip()
    if frame := _FRAME.fullmatch(raw):
        return int(frame[1])
    if (time := _TIME.fullmatch(raw)) is None:
        raise UsageError(f"{text!r} is not a position; give a frame number (120) or a time (62.5s, 1:02.5)")
    seconds = Fraction(0)
    for part in time[1].split(":"):
        seconds = seconds * 60 + Fraction(part)
    return seconds


def parse_seconds(text: str) -> Fraction:
    """A number of seconds: ``"0.5"``, ``"-2s"`` or ``"1/25"``. Raises `UsageError` for anything else."""
    seconds = _quotient(_SECONDS.fullmatch(text.strip()))
    if seconds is None:
        raise UsageError(f"{text!r} is not a number of seconds; give it like 0.5, -2s or 1/25")
    return seconds


def parse_rate(text: str) -> Fraction:
    """Frames a second: ``"24"``, ``"29.97"`` or ``"30000/1001"``. Raises `UsageError` for anything else, and for 0."""
    rate = _quotient(_RATE.fullmatch(text.strip()))
    if not rate:
        raise UsageError(f"fps {text!r} is not a frame rate; give it like 24, 29.97 or 30000/1001")
    return rate


def _quotient(found: re.Match[str] | None) -> Fraction | None:
    """The first group by the second, if there is one; None where there is no such number."""
    divisor = int(found[2] or 1) if found else 0
    return Fraction(found[1]) / divisor if found and divisor else None


def format_seconds(seconds: Fraction | float) -> str:
    """``h:mm:ss.mmm``, for people."""
    millis = int(abs(Fraction(seconds)) * 1000 + Fraction(1, 2))
    sign = "-" if seconds < 0 else ""
    hours, rest = divmod(millis, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{sign}{hours}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
