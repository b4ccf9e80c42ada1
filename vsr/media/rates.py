"""The rate of video streams that have no times of their own, as raw H.264 or MJPEG files.

FFmpeg gives their frames times at 25 frames a second, or none. The codec's own headers may tell the rate; else it must
be given, or assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from vsr.errors import InputError, UsageError
from vsr.media.safe_open import open_input

__all__ = ["UntimedRate", "find_untimed_rate", "is_untimed"]

_NO_TIMESTAMPS = 0x0080  # FFmpeg's AVFMT_NOTIMESTAMPS
_ASSUMED = Fraction(25)  # as FFmpeg has it


@dataclass(frozen=True)
class UntimedRate:
    """Frames a second of a stream without times."""

    rate: Fraction
    words: str
    """Where it comes from."""


def _has_no_times(container: InputContainer) -> bool:
    return bool(container.format.flags & _NO_TIMESTAMPS)


def is_untimed(path: Path) -> bool:
    """Whether the streams of a file have no times; False where it cannot be read."""
    try:
        with open_input(path) as container:
            return _has_no_times(container)
    except InputError:
        return False


def _own_rate(stream: VideoStream) -> Fraction | None:
    """What the codec's headers say, if anything; of MPEG-4 they give the clock, where FFmpeg measures the rate."""
    own, measured = stream.codec_context.framerate, stream.base_rate
    if not own:
        return None
    return min(own, measured) if measured else own


def find_untimed_rate(container: InputContainer, stream: VideoStream, given: Fraction | None) -> UntimedRate | None:
    """The rate of ``stream``, whose first frames were decoded; None where it has times. ``given`` goes first.

    Raises `UsageError` where the stream's clock is too coarse for ``given``.
    """
    if not _has_no_times(container):
        return None
    codec = stream.codec_context.codec.canonical_name
    own = _own_rate(stream)
    if given is not None:
        if stream.time_base is not None and given * stream.time_base > 1:
            raise UsageError(f"fps {given} is too high; give at most {1 / stream.time_base}")
        difference = f"; the {codec} stream itself says {own}" if own and own != given else ""
        return UntimedRate(given, f"{given} frames a second, as given: the file has no times{difference}")
    if own:
        return UntimedRate(own, f"{own} frames a second, as the {codec} stream says: the file has no times")
    words = f"{_ASSUMED} frames a second: the file has no times, and the {codec} stream tells no rate (--fps gives it)"
    return UntimedRate(_ASSUMED, words)
