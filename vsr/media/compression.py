"""Short clips through an encoder and a decoder, in memory: what compression does to pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

import av
import av.error
import numpy as np
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from vsr.errors import MachineError, UsageError
from vsr.media.repeatable import join_params, repeatable_x264, repeatable_x265

__all__ = ["CODECS", "compress"]

CODECS: Mapping[str, str] = MappingProxyType({"h264": "libx264", "hevc": "libx265", "mpeg2": "mpeg2video"})
"""Names here, and FFmpeg's encoders of them."""

_DECODERS = {"h264": "h264", "hevc": "hevc", "mpeg2": "mpeg2video"}
_WORST = 51.0
_MPEG2_WORST = 31
_FPS = 25
_BLOCK = 32  # x265 (its cutree) writes past its buffers where sides are no multiples of this

_ZERO = np.array([16, 128, 128], np.float32)
_FROM_RGB = np.array(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], np.float32
) / np.float32(255)
_TO_RGB = np.linalg.inv(_FROM_RGB.astype(np.float64)).astype(np.float32)


def compress(frames: Sequence[NDArray[np.uint8]], codec: str, quality: float) -> list[NDArray[np.uint8]]:
    """``(H, W, 3)`` uint8 RGB frames as a viewer would see them after compression, as many and as large.

    ``codec`` is of `CODECS`; ``quality`` is ``crf``, 0 to 51, lower is better (for MPEG-2 it becomes a quantiser from 1
    to 31 in proportion). 4:2:0, BT.601, video range, one thread: equal frames give equal results. Sides are
    made multiples of 32 by repeating the edge. Raises `MachineError` where this FFmpeg lacks the encoder.
    """
    if codec not in CODECS or not 0 <= quality <= _WORST:
        raise UsageError(
            f"cannot compress with {codec} at {quality:g}; known: {', '.join(CODECS)}, from 0 to {_WORST:g}"
        )
    height, width = frames[0].shape[:2]
    tall, wide = (-(-side // _BLOCK) * _BLOCK for side in (height, width))
    try:
        encoder = _encoder(codec, quality, wide, tall)
        packets = [packet for frame in _prepared(frames, tall, wide) for packet in encoder.encode(frame)]
        packets += encoder.encode(None)
        decoder = CodecContext.create(_DECODERS[codec], "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.thread_count = 1
        if encoder.extradata:
            decoder.extradata = encoder.extradata
        shown = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    except (av.error.FFmpegError, ValueError) as error:
        raise MachineError(f"{codec} cannot be used by this FFmpeg ({error}); leave it out of video.codecs") from error
    if len(shown) != len(frames):
        raise MachineError(f"{codec}: {len(frames)} frames went in and {len(shown)} came out")
    return [_as_rgb(frame)[:height, :width] for frame in shown]


def _encoder(codec: str, quality: float, width: int, height: int) -> VideoCodecContext:
    encoder = CodecContext.create(CODECS[codec], "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.thread_count = Fraction(_FPS), 1
    encoder.colorspace, encoder.color_range = 6, 1
    if codec == "mpeg2":
        quantiser = round(1 + (_MPEG2_WORST - 1) * quality / _WORST)
        encoder.qmin = encoder.qmax = max(1, quantiser)
        encoder.options = {"bf": "1", "flags": "+qscale", "global_quality": str(118 * quantiser)}
    else:
        encoder.options = {"crf": f"{quality:.3f}", "preset": "veryfast"}
        if codec == "hevc":
            plain = {"log-level": "none", "pools": "none", "frame-threads": "1", "wpp": "0", "no-cutree": "1"}
            encoder.options["x265-params"] = join_params(plain | repeatable_x265(width, height))
        else:
            encoder.options["x264-params"] = join_params(repeatable_x264())
    return encoder


def _prepared(frames: Sequence[NDArray[np.uint8]], tall: int, wide: int) -> Iterator[av.VideoFrame]:
    height, width = frames[0].shape[:2]
    for number, picture in enumerate(frames):
        whole = np.pad(picture, ((0, tall - height), (0, wide - width), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(_as_yuv420(whole), format="yuv420p")
        frame.colorspace, frame.color_range = Colorspace.ITU601, ColorRange.MPEG
        frame.pts = number
        yield frame


def _as_yuv420(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``(H, W, 3)`` RGB → ``(1.5 H, W)`` planes one below the other, rounded (FFmpeg's scaler is a code too dark)."""
    height, width = picture.shape[:2]
    planes = picture.astype(np.float32) @ _FROM_RGB.T + _ZERO
    colour = planes[..., 1:].reshape(height // 2, 2, width // 2, 2, 2).mean((1, 3))
    rows = [planes[..., 0], *(colour[..., number].reshape(-1, width) for number in (0, 1))]
    return _whole_numbers(np.concatenate(rows))


def _as_rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """A decoded frame as ``(H, W, 3)``; colour is interpolated between the middles of its pixels."""
    import cv2

    rows = frame.to_ndarray(format="yuv420p").astype(np.float32)
    height, width = frame.height, frame.width
    colour = rows[height:].reshape(2, height // 2, width // 2)
    wide = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in colour]
    rgb = (np.stack([rows[:height], *wide], axis=-1) - _ZERO) @ _TO_RGB.T
    return _whole_numbers(rgb)


def _whole_numbers(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
