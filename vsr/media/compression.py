"""Short clips through an encoder and a decoder, in memory: what compression does to images."""

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
from vsr.frames import BT601_YCBCR
from vsr.media.planes import planes_of
from vsr.media.repeatable import join_params, repeatable_x264, repeatable_x265

__all__ = ["CODECS", "LUMA_CODECS", "compress", "compress_luma", "compress_ycbcr"]

CODECS: Mapping[str, str] = MappingProxyType({"h264": "libx264", "hevc": "libx265", "mpeg2": "mpeg2video"})
"""Names here, and FFmpeg's encoders of them."""

LUMA_CODECS: Mapping[str, str] = MappingProxyType({**CODECS, "mjpeg": "mjpeg"})
"""The same of `compress_luma`."""

_DECODERS = {"h264": "h264", "hevc": "hevc", "mpeg2": "mpeg2video", "mjpeg": "mjpeg"}
_BY_CRF = ("h264", "hevc")
_WORST = 51.0
_MPEG2_WORST = 31
_LAMBDA = 118  # FFmpeg's unit of quantisers
_FPS = 25
_BLOCK = 32  # x265 (its cutree) writes past its buffers where sides are no multiples of this

_ZERO = np.array([16, 128, 128], np.float32)
_FROM_RGB = np.array(BT601_YCBCR, np.float32) / np.float32(255)
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
    options = {"preset": "veryfast", "crf": f"{quality:.3f}"}
    if codec == "mpeg2":
        quantiser = max(1, round(1 + (_MPEG2_WORST - 1) * quality / _WORST))
        options = {"bf": "1", **_fix_quantiser(quantiser)}
    height, width = frames[0].shape[:2]
    tall, wide = _whole_blocks(height, width)
    shown = _through(codec, options, list(_prepare(frames, tall, wide)))
    return [_as_rgb(frame)[:height, :width] for frame in shown]


def compress_luma(
    planes: NDArray[np.uint8], codec: str, quality: float, *, preset: str = "medium"
) -> NDArray[np.uint8]:
    """``(T, H, W)`` uint8 luma, whatever its range, as decoders give it after compression; code values stay the same.

    ``codec`` is of `LUMA_CODECS`. ``quality`` is ``crf``, 0 to 51, for H.264 and HEVC (``preset`` is theirs), and the
    quantiser, 1 to 31 and rounded, for MPEG-2 (two B-frames) and Motion JPEG. Colour is grey. Otherwise as `compress`.
    """
    least, most = (0.0, _WORST) if codec in _BY_CRF else (1.0, float(_MPEG2_WORST))
    if codec not in LUMA_CODECS or not least <= quality <= most:
        raise UsageError(
            f"cannot compress with {codec} at {quality:g}; known: {', '.join(LUMA_CODECS)}, from {least:g} to {most:g}"
        )
    options = {"preset": preset, "crf": f"{quality:.3f}"} if codec in _BY_CRF else _fix_quantiser(round(quality))
    if codec == "mpeg2":
        options["bf"] = "2"
    height, width = planes.shape[1:]
    tall, wide = _whole_blocks(height, width)
    frames = [_grey(np.pad(plane, ((0, tall - height), (0, wide - width)), mode="edge"), codec) for plane in planes]
    for number, frame in enumerate(frames):
        frame.pts = number
    shown = _through(codec, options, frames)
    return np.stack([np.asarray(planes_of(frame, 1)[0], np.uint8)[:height, :width] for frame in shown])


def compress_ycbcr(frames: NDArray[np.uint8], crf: float, *, preset: str = "medium") -> NDArray[np.uint8]:
    """``(T, 3, H, W)`` uint8 YCbCr as H.264 4:4:4 leaves it: chroma as fine as luma, code values as they are.

    ``crf``: 0 to 51. Sides, threads and errors as of `compress`.
    """
    if not 0 <= crf <= _WORST:
        raise UsageError(f"cannot compress at {crf:g}; known: from 0 to {_WORST:g}")
    height, width = frames.shape[2:]
    tall, wide = _whole_blocks(height, width)
    whole = np.pad(frames, ((0, 0), (0, 0), (0, tall - height), (0, wide - width)), mode="edge")
    given = [av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), format="yuv444p") for planes in whole]
    for number, frame in enumerate(given):
        frame.pts = number
    shown = _through("h264", {"preset": preset, "crf": f"{crf:.3f}"}, given)
    return np.stack([np.stack(planes_of(frame, 3)) for frame in shown])[:, :, :height, :width].astype(np.uint8)


def _whole_blocks(height: int, width: int) -> tuple[int, int]:
    """The sides that are encoded."""
    return -(-height // _BLOCK) * _BLOCK, -(-width // _BLOCK) * _BLOCK


def _fix_quantiser(quantiser: int) -> dict[str, str]:
    """For MPEG-2 and Motion JPEG; they heed the limits, where frames bring no quality of their own."""
    limit = str(quantiser)
    return {"flags": "+qscale", "global_quality": str(_LAMBDA * quantiser), "qmin": limit, "qmax": limit}


def _through(codec: str, options: Mapping[str, str], frames: Sequence[av.VideoFrame]) -> list[av.VideoFrame]:
    """Frames of one size, encoded and decoded, as many."""
    try:
        encoder = _encoder(codec, options, frames[0])
        packets = [packet for frame in frames for packet in encoder.encode(frame)]
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
    return shown


def _encoder(codec: str, options: Mapping[str, str], first: av.VideoFrame) -> VideoCodecContext:
    encoder = CodecContext.create(LUMA_CODECS[codec], "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = first.width, first.height, first.format.name
    encoder.framerate, encoder.thread_count = Fraction(_FPS), 1
    encoder.colorspace, encoder.color_range = 6, 2 if codec == "mjpeg" else 1
    encoder.options = dict(options)
    if codec == "hevc":
        plain = {"log-level": "none", "pools": "none", "frame-threads": "1", "wpp": "0", "no-cutree": "1"}
        encoder.options["x265-params"] = join_params(plain | repeatable_x265(first.width, first.height))
    elif codec == "h264":
        encoder.options["x264-params"] = join_params(repeatable_x264())
    return encoder


def _pix_fmt(codec: str) -> str:
    """What is encoded; Motion JPEG knows full range alone, and FFmpeg would stretch video range to it."""
    return "yuvj420p" if codec == "mjpeg" else "yuv420p"


def _grey(plane: NDArray[np.uint8], codec: str) -> av.VideoFrame:
    """A frame with this luma and no colour."""
    height, width = plane.shape
    rows = np.concatenate([plane, np.full((height // 2, width), 128, np.uint8)])
    return av.VideoFrame.from_ndarray(rows, format=_pix_fmt(codec))


def _prepare(frames: Sequence[NDArray[np.uint8]], tall: int, wide: int) -> Iterator[av.VideoFrame]:
    height, width = frames[0].shape[:2]
    for number, image in enumerate(frames):
        whole = np.pad(image, ((0, tall - height), (0, wide - width), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(_as_yuv420(whole), format="yuv420p")
        frame.colorspace, frame.color_range = Colorspace.ITU601, ColorRange.MPEG
        frame.pts = number
        yield frame


def _as_yuv420(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``(H, W, 3)`` RGB → ``(1.5 H, W)`` planes one below the other, rounded (FFmpeg's scaler is a code too dark)."""
    height, width = image.shape[:2]
    planes = image.astype(np.float32) @ _FROM_RGB.T + _ZERO
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
