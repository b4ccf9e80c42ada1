"""One frame of a video, by its number or by the time at which it is shown."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vsr.api.arguments import PathLike, position_of
from vsr.errors import UsageError
from vsr.media.damage import Damage
from vsr.media.reading import probe, scan
from vsr.pipeline.job import Span
from vsr.pipeline.objects import is_url
from vsr.pipeline.settings import Settings
from vsr.timeline import format_seconds, parse_rate

__all__ = ["Place", "span_of"]

Place = str | int | Fraction | None
"""A frame number, a time, or neither."""


def span_of(source: PathLike, settings: Settings, *, start: Place, end: Place, at: Place) -> Span:
    """From ``start`` to ``end``, or the frame shown at ``at`` alone, for which ``source`` is decoded up to there.

    Raises `UsageError` for both at once, and where the video ends before ``at``.
    """
    if at is None:
        return Span(position_of(start), position_of(end))
    if start is not None or end is not None:
        raise UsageError("at names one frame; leave out start and end")
    place = position_of(at)
    number = place if isinstance(place, int) else _shown_at(source, settings, Fraction(place or 0))
    return Span(number, number + 1)


def _shown_at(source: PathLike, settings: Settings, seconds: Fraction) -> int:
    """The last frame that is not later; the first one where all are later."""
    if is_url(source):
        raise UsageError(f"{source}: name a frame by its number; times are looked up in files of this machine only")
    rate = None if settings.fps is None else parse_rate(settings.fps)
    info = probe(Path(source), rate, settings.video_stream)
    number, latest, length = 0, Fraction(0), Fraction(0)
    for record, _ in scan(info, settings.decoder_threads, Damage()):
        latest = record.pts * info.video.time_base - info.start
        if latest > seconds:
            return number
        number, length = record.ordinal, record.duration * info.video.time_base
    rate = info.video.average_rate or info.video.base_rate or Fraction(25)
    if seconds >= latest + (length or 1 / rate):
        raise UsageError(
            f"{format_seconds(seconds)} is past the end of {source}: its last frame is {number}, "
            f"at {format_seconds(latest)}"
        )
    return number
