"""Looking at a source."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vsr.api.arguments import PathLike, rate_of
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe as probe_source

__all__ = ["probe"]


def probe(path: PathLike, *, fps: str | Fraction | None = None, video_stream: int | None = None) -> MediaInfo:
    """What a video file, a folder of pictures or a pattern such as ``frames/%06d.png`` holds.

    ``fps`` is the rate of pictures that come without ``timing.json``; ``video_stream`` the number, in the file, of the
    video stream that is meant, where it holds several. Raises `InputError`, with the reason, for
    what is no video.
    """
    return probe_source(Path(path), rate_of(fps), video_stream)
