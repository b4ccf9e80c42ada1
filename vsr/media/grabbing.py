"""Single frames of a video as planes, with their names and checksums, for what looks at few of them."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.frames import PixelLayout
from vsr.media.decode import Damage, FrameRecord
from vsr.media.deinterlace import deinterlace
from vsr.media.framemd5 import raw_bytes
from vsr.media.planes import frame_layout, planes_of
from vsr.media.probe import MediaInfo
from vsr.media.reading import scan
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
    is_wanted: Callable[[FrameRecord], bool],
    *,
    progressive: bool,
) -> Iterator[Grabbed]:
    """The frames of a decode from the start that are wanted, in order; ``is_wanted`` is asked of every frame.

    With ``progressive``, frames that are flagged as interlaced are deinterlaced, from wanted neighbours. ``damage`` is
    filled on the way. Raises `InputError` where not a single frame comes out.
    """
    waiting: deque[tuple[FrameRecord, str, NDArray[np.uint8]]] = deque()

    def wanted() -> Iterator[av.VideoFrame]:
        for record, frame in scan(info, threads, damage):
            if is_wanted(record):
                waiting.append((record, hashlib.md5(raw_bytes(frame)).hexdigest(), thumbnail(frame)))
                yield frame

    frames: Iterator[av.VideoFrame] = wanted()
    if progressive:
        frames = deinterlace(frames, "frame", only_flagged=True)
    for frame in frames:
        record, md5, small = waiting.popleft()
        planes = tuple(torch.from_numpy(plane) for plane in planes_of(frame))
        yield Grabbed(record, md5, planes, frame_layout(frame), small)
