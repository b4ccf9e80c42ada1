"""One door to every kind of source: a media file or an image sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av

from vsr.errors import InputError
from vsr.media.decode import Damage, FrameReader, FrameRecord, decode_frames, decode_linear
from vsr.media.images import ImageReader, is_image_sequence, is_numbered, probe_images, scan_images, view_images
from vsr.media.probe import MediaInfo, probe_media

__all__ = ["Reader", "is_there", "open_reader", "probe", "scan", "view"]


class Reader(Protocol):
    """Reads runs of frames that a scan has named, and proves that they are those frames."""

    def read(self, records: Sequence[FrameRecord]) -> Iterator[av.VideoFrame]:
        """The frames of consecutive ``records``."""
        ...

    def close(self) -> None:
        """Let go of the source."""
        ...


def is_there(path: Path) -> bool:
    """Whether there is anything at ``path``: a file, a folder, or for a pattern the folder of its pictures."""
    return path.exists() or (is_numbered(path) and path.parent.is_dir())


def probe(path: Path, fps: Fraction | None = None) -> MediaInfo:
    """What ``path`` (a file, a folder of pictures, or a pattern such as ``%06d.png``) holds."""
    return probe_images(path, fps) if is_image_sequence(path) else probe_media(path)


def scan(info: MediaInfo, threads: int, damage: Damage) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """The linear decode of the source's video: every frame named, damage counted on the way.

    Raises `InputError` where not a single frame comes out.
    """
    if info.images:
        frames = scan_images(info, damage)
    else:
        frames = decode_linear(info.path, info.video.index, threads, damage, crop=info.video.crop)
    count = 0
    for record, frame in frames:
        count += 1
        yield record, frame
    if not count:
        raise InputError(f"{info.path}: not a single frame could be decoded")


def view(info: MediaInfo, threads: int, damage: Damage) -> Iterator[tuple[int, av.VideoFrame]]:
    """The frames of `scan` with their times in ticks, for who only looks at them: without names and fingerprints."""
    if info.images:
        return view_images(info)
    return decode_frames(info.path, info.video.index, threads, damage, crop=info.video.crop)


def open_reader(info: MediaInfo, threads: int, overlap_frames: int) -> Reader:
    """A reader of the source's video."""
    if info.images:
        return ImageReader(info)
    return FrameReader(
        info.path,
        info.video.index,
        info.video.time_base,
        threads=threads,
        overlap_frames=overlap_frames,
        crop=info.video.crop,
    )
