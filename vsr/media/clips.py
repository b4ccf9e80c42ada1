"""Short clips between files and RGB arrays: for demonstrations, scores and images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import torch
from av.container import InputContainer
from numpy.typing import NDArray

from vsr.errors import InputError
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.convert import OutputFormat, quantise
from vsr.media.cropping import crop_frames
from vsr.media.demuxing import frames_of
from vsr.media.layouts import LAYOUTS
from vsr.media.planes import frame_from_planes, frame_layout, planes_of
from vsr.media.probe import probe_media
from vsr.media.repeatable import join_params, repeatable_x264
from vsr.media.safe_open import open_input

__all__ = ["read_rgb", "rgb_frame", "write_clip"]

_SRGB = ColorSpec(1, 13, 0, full_range=True)
_BT601 = ColorSpec(6, 6, 6, full_range=False, chroma_location="left")


def write_clip(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    fps: Fraction,
    *,
    crf: int,
    audio: NDArray[np.int16] | None = None,
    sample_rate: int = 48_000,
) -> None:
    """Encode ``(H, W, 3)`` uint8 RGB frames as H.264 4:2:0 (BT.601, video range), with AAC sound.

    ``audio`` is ``(samples, 2)`` int16. Sizes must be even.
    """
    height, width = frames[0].shape[:2]
    layout = LAYOUTS["yuv420p"]
    with av.open(f"file:{path}", "w") as container:
        options = {"crf": str(crf), "preset": "medium", "x264-params": join_params(repeatable_x264())}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, layout.name
        context = stream.codec_context
        context.thread_count, context.thread_type = 2, "FRAME"
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 6, 6, 6, 1
        sound = container.add_stream("aac", rate=sample_rate, layout="stereo") if audio is not None else None
        for number, image in enumerate(frames):
            planes = quantise(rgb_frame(image, number, fps), OutputFormat(layout, _BT601))
            frame = frame_from_planes(planes, layout, width, height)
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None and audio is not None:
            samples = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(audio.reshape(1, -1)), format="s16", layout="stereo"
            )
            samples.sample_rate, samples.pts = sample_rate, 0
            container.mux(sound.encode(samples))
            container.mux(sound.encode(None))


def rgb_frame(image: NDArray[np.uint8], number: int, fps: Fraction) -> VideoFrame:
    """``(H, W, 3)`` uint8 RGB as frame ``number`` of a clip of planar RGB."""
    planes = torch.from_numpy(np.array(image.transpose(2, 0, 1)))
    return VideoFrame(tuple(planes), LAYOUTS["gbrp"], _SRGB, number, number, 1 / fps)


def read_rgb(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video as ``(H, W, 3)`` uint8 RGB, converted with its own matrix, range and siting.

    Raises `InputError` for what is not a video, and where it is damaged.
    """
    info = probe_media(path)
    target = OutputFormat(LAYOUTS["gbrp"], _SRGB)
    with open_input(path) as container:
        for number, frame in enumerate(crop_frames(_decode(path, container), info.video.crop)):
            planes = tuple(torch.from_numpy(plane) for plane in planes_of(frame))
            image = VideoFrame(planes, frame_layout(frame), info.video.color, number, number, Fraction(1))
            yield np.stack([np.asarray(plane, np.uint8) for plane in quantise(image, target)], axis=-1)


def _decode(path: Path, container: InputContainer) -> Iterator[av.VideoFrame]:
    try:
        yield from frames_of(container, container.streams.video[0])
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: damaged, cannot be decoded ({error.strerror})") from error
