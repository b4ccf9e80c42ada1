"""One door to every kind of source: a media file, an image sequence, or an animated WebP."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeVar

import av

from vsr.errors import InputError, UsageError
from vsr.media.animated_webp import WEBP, WebpReader, is_webp_animation, probe_webp, scan_webp, view_webp
from vsr.media.combing import FieldJudge, Fields, luma_rows
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord, Look, VideoTrack, decode_frames, decode_from, decode_linear, decode_looks
from vsr.media.frame_reader import FrameReader
from vsr.media.images import ImageReader, is_image_sequence, is_numbered, probe_images, scan_images, view_images
from vsr.media.probe import MediaInfo, probe_media
from vsr.media.rates import is_untimed

__all__ = [
    "Reader",
    "is_there",
    "look_at",
    "looks",
    "open_reader",
    "probe",
    "probe_output",
    "scan",
    "scan_and_judge",
    "scan_from",
    "view",
    "wants_rate",
]

T = TypeVar("T")


class Reader(Protocol):
    """Reads runs of frames that a scan has named, and proves that they are those frames."""

    def read(self, records: Sequence[FrameRecord]) -> Iterator[av.VideoFrame]:
        """The frames of consecutive ``records``."""
        ...

    def close(self) -> None:
        """Let go of the source."""
        ...


def wants_rate(path: Path) -> bool:
    """Whether ``path`` has no times, so that a rate given for it means something: images, and raw streams."""
    return is_image_sequence(path) or (path.is_file() and is_untimed(path))


def is_there(path: Path) -> bool:
    """Whether there is anything at ``path``: a file, a folder, or for a pattern the folder of its images."""
    return path.exists() or (is_numbered(path) and path.parent.is_dir())


def probe(path: Path, fps: Fraction | None = None, video_stream: int | None = None) -> MediaInfo:
    """What ``path`` (a file, a folder of images, or a pattern such as ``%06d.png``) holds.

    ``fps`` is the frame rate of images and of streams that have no times;
    ``video_stream`` is the number, in a file, of the video stream that is meant; see `probe_media`.
    """
    if is_webp_animation(path):
        return probe_webp(path)
    if not is_image_sequence(path):
        return probe_media(path, fps, video_stream)
    if video_stream is not None:
        raise UsageError(f"{path}: images have no stream {video_stream}; leave out --video-stream")
    return probe_images(path, fps)


def probe_output(path: Path) -> MediaInfo:
    """What an output of vsr holds: of its videos the first, which is the restored one; others are copies beside it."""
    return probe(path, None, None if is_image_sequence(path) else 0)


def _track(info: MediaInfo, threads: int) -> VideoTrack:
    video = info.video
    return VideoTrack(info.path, video.index, threads, video.crop, video.untimed_rate)


def scan(info: MediaInfo, threads: int, damage: Damage) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """The linear decode of the source's video: every frame named, damage counted on the way.

    Raises `InputError` where not a single frame comes out.
    """
    if info.container == WEBP:
        frames = scan_webp(info)
    else:
        frames = scan_images(info, damage) if info.images else decode_linear(_track(info, threads), damage)
    count = 0
    for record, frame in frames:
        count += 1
        yield record, frame
    if not count:
        raise InputError(f"{info.path}: not a single frame could be decoded")


def scan_from(
    info: MediaInfo, threads: int, damage: Damage, seconds: Fraction
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """`scan` from shortly before the time ``seconds`` by the file's clock, its ordinals counted from there."""
    pts = int(seconds / info.video.time_base)
    if info.container == WEBP:
        return scan_webp(info, pts)
    if not info.images:
        return decode_from(_track(info, threads), pts, damage)
    first = max(0, bisect_right(info.image_pts, pts) - 1)
    rest = replace(info, images=info.images[first:], image_pts=info.image_pts[first:])
    return scan_images(rest, damage)


def scan_and_judge(
    info: MediaInfo, threads: int, damage: Damage, keep: Callable[[FrameRecord, av.VideoFrame], T]
) -> Iterator[tuple[FrameRecord, T]]:
    """The records of `scan` with their fields judged by content, each with what ``keep`` made of its frame.

    They come some frames late; ``keep`` is called at once, and must copy what it wants of a frame.
    """
    waiting: deque[tuple[FrameRecord, T]] = deque()

    def resolved(verdicts: list[Fields]) -> Iterator[tuple[FrameRecord, T]]:
        for fields in verdicts:
            record, kept = waiting.popleft()
            yield replace(record, fields=fields), kept

    judge, look = FieldJudge(), None
    for record, frame in scan(info, threads, damage):
        if look not in (None, record.look):
            yield from resolved(judge.finish())
            judge = FieldJudge()
        look = record.look
        waiting.append((record, keep(record, frame)))
        yield from resolved(judge.push(luma_rows(frame), record.interlaced))
    yield from resolved(judge.finish())


def looks(info: MediaInfo, threads: int) -> Iterator[tuple[int, Look]]:
    """The time in ticks and the look of every frame of `scan`, alone."""
    if info.container == WEBP:
        return ((record.pts, record.look) for record, _ in scan_webp(info))
    if info.images:
        return ((record.pts, record.look) for record, _ in scan_images(info, Damage()))
    return decode_looks(_track(info, threads))


def look_at(info: MediaInfo, threads: int, ordinal: int) -> Look:
    """The look of one frame, found by decoding up to it; of the last one where there are fewer."""
    last: Look | None = None
    for number, (_, look) in enumerate(looks(info, threads)):
        last = look
        if number == ordinal:
            break
    if last is None:
        raise InputError(f"{info.path}: not a single frame could be decoded")
    return last


def view(info: MediaInfo, threads: int, damage: Damage) -> Iterator[tuple[int, av.VideoFrame]]:
    """The frames of `scan` with their times in ticks, for who only looks at them: without names and fingerprints."""
    if info.container == WEBP:
        return view_webp(info)
    if info.images:
        return view_images(info)
    return decode_frames(_track(info, threads), damage)


def open_reader(info: MediaInfo, threads: int, overlap_frames: int) -> Reader:
    """A reader of the source's video."""
    if info.container == WEBP:
        return WebpReader(info)
    if info.images:
        return ImageReader(info)
    return FrameReader(_track(info, threads), info.video.time_base, overlap_frames=overlap_frames)
