"""Single frames of a video as planes, with their names and checksums, for what looks at few of them."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.frames import PixelLayout
from vsr.media.combing import Fields
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord
from vsr.media.deinterlace import deinterlace
from vsr.media.filtering import FrameCopier
from vsr.media.framemd5 import raw_bytes
from vsr.media.planes import frame_layout, planes_of
from vsr.media.probe import MediaInfo
from vsr.media.reading import scan, scan_and_judge
from vsr.media.thumbnails import thumbnail

__all__ = ["Grabbed", "grab_frames"]


@dataclass(frozen=True, eq=False)
class Grabbed:
    """One frame."""

    record: FrameRecord
    md5: str
    """Of the decoded samples, as ``ffmpeg -f framemd5`` gives it; of both fields, before any deinterlacing."""
    planes: tuple[Tensor, ...]
    """In code values of ``layout``."""
    layout: PixelLayout
    small: NDArray[np.uint8]
    """A thumbnail for finding cuts, ``(h, w, 3)``."""


def grab_frames(
    info: MediaInfo,
    threads: int,
    damage: Damage,
    is_requested: Callable[[FrameRecord], bool],
    *,
    progressive: bool,
) -> Iterator[Grabbed]:
    """The requested frames of a decode from the start, in order; ``is_requested`` is asked of every frame.

    With ``progressive``, frames that are interlaced are deinterlaced, from requested neighbours, and all come some
    frames late. ``damage`` is filled on the way. Raises `InputError` where not a single frame comes out.
    """
    frames = (
        _progressive(info, threads, damage, is_requested)
        if progressive
        else _woven(info, threads, damage, is_requested)
    )
    for known, frame in frames:
        planes = tuple(torch.from_numpy(plane) for plane in planes_of(frame))
        yield Grabbed(known.record, known.md5, planes, frame_layout(frame), known.small)


@dataclass(frozen=True, eq=False)
class _Known:
    """What is kept of a frame besides its samples."""

    record: FrameRecord
    md5: str
    small: NDArray[np.uint8]

    @classmethod
    def of(cls, record: FrameRecord, frame: av.VideoFrame) -> _Known:
        return cls(record, hashlib.md5(raw_bytes(frame)).hexdigest(), thumbnail(frame))


def _woven(
    info: MediaInfo, threads: int, damage: Damage, is_requested: Callable[[FrameRecord], bool]
) -> Iterator[tuple[_Known, av.VideoFrame]]:
    for record, frame in scan(info, threads, damage):
        if is_requested(record):
            yield _Known.of(record, frame), frame


def _progressive(
    info: MediaInfo, threads: int, damage: Damage, is_requested: Callable[[FrameRecord], bool]
) -> Iterator[tuple[_Known, av.VideoFrame]]:
    copier = FrameCopier()
    waiting: deque[_Known] = deque()

    def keep(record: FrameRecord, frame: av.VideoFrame) -> tuple[_Known, av.VideoFrame] | None:
        return (_Known.of(record, frame), copier.copy(frame)) if is_requested(record) else None

    def judged() -> Iterator[tuple[av.VideoFrame, Fields]]:
        for record, kept in scan_and_judge(info, threads, damage, keep):
            if kept is not None:
                waiting.append(replace(kept[0], record=record))
                yield kept[1], record.fields

    for frame in deinterlace(judged(), "frame", only_interlaced=True):
        yield waiting.popleft(), frame
