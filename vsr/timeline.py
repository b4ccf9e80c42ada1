"""Exact time, and the pieces a video is cut into. Standard library only.

A frame is known by its ordinal: its place in a linear decode of the whole stream, from 0. Times are
``Fraction`` seconds or integer ticks of a time base; floats are for showing only. Ranges are half-open.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from vsr.errors import UsageError

__all__ = ["Segment", "format_seconds", "parse_position", "rescale"]


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
    try:
        if raw.isdigit() or raw.endswith("f"):
            return _ordinal(raw.removesuffix("f"))
        parts = [Fraction(part) for part in raw.removesuffix("s").split(":")]
        if len(parts) > 3 or any(part < 0 for part in parts) or "/" in raw:
            raise ValueError
        seconds = Fraction(0)
        for part in parts:
            seconds = seconds * 60 + part
        return seconds
    except ValueError:
        raise UsageError(f"{text!r} is no position; give a frame number (120) or a time (62.5s, 1:02.5)") from None


def _ordinal(digits: str) -> int:
    if not digits.isdigit():
        raise ValueError
    return int(digits)


def format_seconds(seconds: Fraction | float) -> str:
    """``h:mm:ss.mmm``, for people."""
    millis = int(abs(Fraction(seconds)) * 1000 + Fraction(1, 2))
    sign = "-" if seconds < 0 else ""
    hours, rest = divmod(millis, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{sign}{hours}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
