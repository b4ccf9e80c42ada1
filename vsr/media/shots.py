"""Random short runs of frames from a video, for training."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import torch
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vsr.errors import InputError
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.convert import OutputFormat, quantise
from vsr.media.cropping import Crop, crop_frames
from vsr.media.demuxing import frames_of
from vsr.media.layouts import LAYOUTS
from vsr.media.planes import frame_layout, planes_of
from vsr.media.probe import MediaInfo, probe_media
from vsr.media.safe_open import open_input

__all__ = ["read_shots"]

_SRGB = ColorSpec(1, 13, 0, full_range=True)
_MOST_SKIPPED = 300
_CUT = 24.0  # mean change of 8-bit luma from frame to frame above which a cut lies between


def read_shots(path: Path, num_shots: int, num_frames: int, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Up to ``num_shots`` runs of ``num_frames`` consecutive frames from random places of a video.

    Each is ``(num_frames, H, W, 3)`` uint8 RGB, in the video's own matrix and range. Runs across a
    cut, and places that were taken before, are left out. Raises `InputError`
    for what is not a video, or where no run could be read.
    """
    info = probe_media(path)
    shots: list[NDArray[np.uint8]] = []
    with open_input(path) as container:
        stream = container.streams[info.video.index]
        assert isinstance(stream, VideoStream)
        stream.codec_context.thread_count = 1
        taken: set[int] = set()
        for place in _places(stream, float(info.duration or 0), num_shots, rng):
            frames = _run_of(container, stream, place, num_frames, info.video.crop)
            if frames is None or frames[0].pts is None or frames[0].pts in taken:
                continue
            taken.add(frames[0].pts)
            images = np.stack([_as_rgb(frame, info) for frame in frames])
            if not _crosses_cut(images):
                shots.append(images)
    if not shots:
        raise InputError(f"{path}: no run of {num_frames} frames without a cut could be read from it")
    return shots


def _places(stream: VideoStream, seconds: float, count: int, rng: np.random.Generator) -> Iterator[int]:
    """The beginning first, for short videos, then random times, in ticks of the stream."""
    start = stream.start_time or 0
    yield start
    base = stream.time_base or Fraction(1, 1000)
    length = stream.duration or int(seconds / base)
    for share in rng.random(count - 1):
        yield start + int(share * length)


def _run_of(
    container: InputContainer, stream: VideoStream, place: int, count: int, crop: Crop | None
) -> list[av.VideoFrame] | None:
    """Frames from the one at ``place`` on; None if there are too few, or they are damaged.

    The decoder begins at the key frame before; of one very far back the run begins earlier than asked.
    """
    frames: list[av.VideoFrame] = []
    try:
        container.seek(place, stream=stream)
        for number, frame in enumerate(crop_frames(frames_of(container, stream), crop)):
            if number < _MOST_SKIPPED and (frame.pts is None or frame.pts < place):
                continue
            frames.append(frame)
            if len(frames) == count:
                break
    except (av.error.FFmpegError, ValueError):
        return None
    same = {(frame.width, frame.height, frame.format.name) for frame in frames}
    return frames if len(frames) == count and len(same) == 1 else None


def _as_rgb(frame: av.VideoFrame, info: MediaInfo) -> NDArray[np.uint8]:
    planes = tuple(torch.from_numpy(plane) for plane in planes_of(frame))
    image = VideoFrame(planes, frame_layout(frame), info.video.color, 0, 0, Fraction(1))
    whole = quantise(image, OutputFormat(LAYOUTS["gbrp"], _SRGB))
    return np.stack([np.asarray(plane, np.uint8) for plane in whole], axis=-1)


def _crosses_cut(images: NDArray[np.uint8]) -> bool:
    small = images[:, ::4, ::4].mean(-1, dtype=np.float32)
    return bool((np.abs(np.diff(small, axis=0)).mean((1, 2)) > _CUT).any())
