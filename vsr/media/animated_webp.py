"""Animated WebP as video. FFmpeg's library reads single images of WebP alone, so libwebp decodes it, by Pillow.

Frames of an animation are parts that are laid over what was shown before; what is read here is what is shown, as RGB
with or without alpha. A frame is reached by decoding all before it.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vsr.errors import InputError
from vsr.frames import ColorSpec
from vsr.media.color import complete_color
from vsr.media.decode import FrameRecord
from vsr.media.hdr import DisplayTransform
from vsr.media.icc import profile_of_file
from vsr.media.planes import fingerprint, frame_layout, planes_of
from vsr.media.probe import MAX_PIXELS, MediaInfo, VideoInfo
from vsr.media.streams import StreamInfo
from vsr.media.webp import WEBP_TICK, WebpFile, WebpFrame, is_animated_webp, read_webp

__all__ = ["WEBP", "WebpReader", "is_webp_animation", "probe_webp", "scan_webp", "view_webp"]

WEBP = "webp"
"""Name of the container, in place of a demuxer's."""
_HEAD_BYTES = 32
_UNTAGGED = ColorSpec(2, 2, 2, full_range=True)


def is_webp_animation(path: Path) -> bool:
    """Whether there is an animated WebP at ``path``, by its content."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return is_animated_webp(file.read(_HEAD_BYTES))
    except OSError:  # opening it later says why it cannot be read
        return False


def probe_webp(path: Path) -> MediaInfo:
    """What an animated WebP holds. Raises `InputError` where it cannot be read."""
    found = read_webp(path)
    if found.width * found.height > MAX_PIXELS:
        raise InputError(f"{path}: {found.width}x{found.height} pixels are more than 16384x16384")
    frame = next(_decode(path))
    layout = frame_layout(frame)
    color, assumptions = complete_color(_UNTAGGED, layout, "png", frame.width, frame.height)
    last = found.frames[-1]
    length = last.pts + last.duration
    rate = Fraction(len(found.frames) * 1000, length).limit_denominator(1000)
    video = VideoInfo(
        index=0,
        codec=WEBP,
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        layout=layout,
        color=color,
        assumptions=assumptions,
        sample_aspect_ratio=Fraction(1),
        display=DisplayTransform(),
        mastering=None,
        content_light=None,
        dropped_hdr=(),
        has_captions=False,
        drops_alpha=False,
        time_base=WEBP_TICK,
        average_rate=rate,
        base_rate=None,
        start_pts=0,
        end_pts=length,
        num_frames_from_header=len(found.frames),
        interlaced=False,
        field_order="progressive",
        timecode=None,
        lost=tuple(name for name in found.extras if name in ("EXIF", "XMP")),
        icc=profile_of_file(path),
    )
    return MediaInfo(
        path=path,
        container=WEBP,
        start=Fraction(0),
        duration=length * WEBP_TICK,
        size_bytes=path.stat().st_size,
        streams=(StreamInfo(0, "video", WEBP, WEBP_TICK, 0),),
        num_chapters=0,
        metadata={},
        video=video,
    )


def _decode(path: Path) -> Generator[av.VideoFrame]:
    """Every frame as it is shown. Raises `InputError`."""
    from PIL import Image, ImageSequence

    try:
        with Image.open(path, formats=("WEBP",)) as animation:
            for image in ImageSequence.Iterator(animation):
                yield av.VideoFrame.from_ndarray(np.asarray(image), format="rgba" if image.mode == "RGBA" else "rgb24")
    except (OSError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be decoded ({error})") from error


def _record(ordinal: int, said: WebpFrame, frame: av.VideoFrame) -> FrameRecord:
    return FrameRecord(
        ordinal=ordinal,
        decoded_pts=said.pts,
        pts=said.pts,
        fingerprint=fingerprint(planes_of(frame)),
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        interlaced=False,
        duration=said.duration,
    )


def _timed(path: Path) -> Iterator[tuple[WebpFrame, av.VideoFrame]]:
    for said, frame in zip(read_webp(path).frames, _decode(path), strict=True):
        frame.pts, frame.time_base = said.pts, WEBP_TICK
        yield said, frame


def scan_webp(info: MediaInfo, from_pts: int = 0) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """The linear decode, from the frame shown at ``from_pts`` (ms) on, with ordinals counted from there."""
    first = max(0, bisect_right(_starts(read_webp(info.path)), from_pts) - 1)
    for number, (said, frame) in enumerate(_timed(info.path)):
        if number >= first:
            yield _record(number - first, said, frame), frame


def _starts(found: WebpFile) -> list[int]:
    return [frame.pts for frame in found.frames]


def view_webp(info: MediaInfo) -> Iterator[tuple[int, av.VideoFrame]]:
    """The frames with their times."""
    return ((said.pts, frame) for said, frame in _timed(info.path))


class WebpReader:
    """Reads frames by ordinal; the same contract as `vsr.media.frame_reader.FrameReader`."""

    def __init__(self, info: MediaInfo) -> None:
        self._path = info.path
        self._next = 0
        self._frames = _decode(info.path)

    def close(self) -> None:
        """Let go of the file."""
        self._frames.close()

    def read(self, records: Sequence[FrameRecord]) -> Iterator[av.VideoFrame]:
        """The frames of ``records``, each the one that was scanned."""
        for record in records:
            if record.ordinal < self._next:
                self.close()
                self._next, self._frames = 0, _decode(self._path)
            frame = next(itertools.islice(self._frames, record.ordinal - self._next, None), None)
            self._next = record.ordinal + 1
            if frame is None or fingerprint(planes_of(frame)) != record.fingerprint:
                raise InputError(f"{self._path}: changed while it was read")
            yield frame
