"""Encoding one segment: frames in, packets in decode order out, with every constant that shapes the bytes fixed.

A segment file holds packets only, in decode order, under made-up time stamps; their real times live in the sidecar,
because times of single segments cannot be joined anyway (`vsr.media.mux` rebuilds them over the whole file).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import av.error
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from vsr.errors import MachineError, UsageError
from vsr.frames import ColorSpec, PixelLayout
from vsr.media.codecs import CodecSpec, prores_profile
from vsr.media.hdr import ContentLight, DisplayTransform, MasteringDisplay
from vsr.media.packets import PacketTimes
from vsr.media.planes import frame_from_planes
from vsr.media.repeatable import join_params, repeatable_x264, repeatable_x265
from vsr.media.scheduling import ordinary_scheduling

__all__ = ["EncoderSpec", "SegmentSink", "can_encode", "encode_image", "segment_format", "segment_sink"]

_GLOBAL_HEADER = 1 << 22
_BITEXACT = 1 << 23
_PACKED = {  # what an encoder takes instead of the planar layout of the same samples
    ("libx264rgb", "gbrp"): "rgb24",
    ("ffv1", "gbrp"): "bgr0",
    ("ffv1", "gbrap"): "bgra",
    ("png", "gbrp"): "rgb24",
    ("png", "gbrap"): "rgba",
    ("png", "gbrp16le"): "rgb48be",
    ("png", "gbrap16le"): "rgba64be",
    ("png", "gray16le"): "gray16be",
    ("tiff", "gbrp"): "rgb24",
    ("tiff", "gbrap"): "rgba",
    ("tiff", "gbrp16le"): "rgb48le",
    ("tiff", "gbrap16le"): "rgba64le",
    ("libwebp", "gbrp"): "bgra",
    ("libwebp", "gbrap"): "bgra",
    ("dpx", "gbrp"): "rgb24",
    ("dpx", "gbrap"): "rgba",
    ("dpx", "gbrp16le"): "rgb48le",
    ("dpx", "gbrap16le"): "rgba64le",
}


@dataclass(frozen=True)
class EncoderSpec:
    """Everything that decides an encoder's bytes besides the images."""

    codec: CodecSpec
    layout: PixelLayout
    color: ColorSpec
    width: int
    height: int
    time_base: Fraction
    frame_rate: Fraction
    """Nominal rate, for rate control and headers; times come from the frames."""
    sample_aspect_ratio: Fraction
    quality: int | None
    speed: str
    threads: int
    mastering: MasteringDisplay | None = None
    content_light: ContentLight | None = None
    lossless: bool = False
    turn: DisplayTransform = field(default_factory=DisplayTransform)
    """How images are turned before they are encoded, where the container cannot say that players should do it."""

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height of the images as they are in the file."""
        return (self.height, self.width) if self.turn.is_sideways else (self.width, self.height)

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder."""
        family = "rgb" if self.layout.family == "rgb" else "yuv"
        return self.codec.encoders[family]


class SegmentSink(Protocol):
    """Where the images of one segment go."""

    def write(self, planes: tuple[NDArray[np.generic], ...], pts: int) -> None:
        """Encode one image shown at ``pts``; times must rise."""
        ...

    def close(self) -> list[PacketTimes]:
        """Drain the encoder, finish the file; what it holds, in file order."""
        ...

    def abort(self) -> None:
        """Give up and remove the file."""
        ...


def segment_format(codec: CodecSpec) -> str:
    """FFmpeg's name of the container of segment files: one that holds the codec and its aspect ratio."""
    return {"av1": "mp4", "ffv1": "matroska", "gif": "matroska", "raw": "nut"}.get(codec.name, "mov")


def segment_sink(path: Path, spec: EncoderSpec) -> SegmentSink:
    """Open a sink that writes one segment to ``path``."""
    return _ImagesSink(path, spec) if spec.codec.kind == "images" else _PacketsSink(path, spec)


def _x264_options(spec: EncoderSpec) -> dict[str, str]:
    params = {"open-gop": "0"} | repeatable_x264()
    if spec.mastering:
        params["mastering-display"] = spec.mastering.x265()
    if spec.content_light:
        params["cll"] = str(spec.content_light)
    quality = {"qp": "0"} if spec.lossless else {"crf": str(spec.quality)}
    return {"preset": spec.speed, **quality, "x264-params": join_params(params)}


def _x265_options(spec: EncoderSpec) -> dict[str, str]:
    params = {"open-gop": "0", "pools": str(spec.threads), "frame-threads": "2", "log-level": "error", "info": "0"}
    params |= repeatable_x265(spec.width, spec.height)
    if spec.lossless:
        params["lossless"] = "1"
    if spec.mastering:
        params["master-display"] = spec.mastering.x265()
    if spec.content_light:
        params["max-cll"] = str(spec.content_light)
    if spec.color.transfer in (16, 18):
        params["repeat-headers"] = "1"
    return {"preset": spec.speed, "crf": str(spec.quality), "x265-params": join_params(params)}


def _svt_options(spec: EncoderSpec) -> dict[str, str]:
    params = {"lp": str(spec.threads)}
    if spec.mastering:
        params["mastering-display"] = spec.mastering.svt()
    if spec.content_light:
        params["content-light"] = str(spec.content_light)
    return {"preset": spec.speed, "crf": str(spec.quality), "svtav1-params": join_params(params)}


def _prores_options(spec: EncoderSpec) -> dict[str, str]:
    profile = prores_profile(spec.layout)
    return {"profile": profile, "vendor": "apl0", **({"alpha_bits": "16"} if profile == "4444" else {})}


def _options(spec: EncoderSpec) -> dict[str, str]:
    makers = {"h264": _x264_options, "hevc": _x265_options, "av1": _svt_options, "prores": _prores_options}
    if spec.codec.name in makers:
        return makers[spec.codec.name](spec)
    if spec.encoder == "ffv1":
        return {"level": "3", "slices": "4", "slicecrc": "1", "g": "1", "context": "0"}
    if spec.codec.name == "png":  # three times the default's speed for 3 % more bytes
        return {"compression_level": "1", "pred": "paeth"}
    if spec.codec.name == "webp":
        return {"lossless": "1"} if spec.lossless else {"quality": "90"}
    return {}


def _configure(context: VideoCodecContext, spec: EncoderSpec, pix_fmt: str) -> None:
    (context.width, context.height), context.pix_fmt = spec.stored_size, pix_fmt
    context.time_base, context.framerate = spec.time_base, spec.frame_rate
    context.thread_count = spec.threads
    if spec.codec.name == "h264":
        context.thread_type = "FRAME"  # PyAV's default is a slice a thread: 6 % more bytes at four fifths of the speed
    context.sample_aspect_ratio = spec.sample_aspect_ratio
    context.color_primaries = spec.color.primaries
    context.color_trc = spec.color.transfer
    context.colorspace = spec.color.matrix
    context.color_range = 2 if spec.color.full_range else 1
    context.flags |= _BITEXACT
    options = _options(spec)
    if spec.layout.family == "yuv" and spec.color.chroma_location != "unspecified":
        places = ("unspecified", "left", "center", "topleft", "top", "bottomleft", "bottom")
        options["chroma_sample_location"] = str(places.index(spec.color.chroma_location))
    context.options = options


def _make_frame(planes: tuple[NDArray[np.generic], ...], spec: EncoderSpec, pix_fmt: str) -> av.VideoFrame:
    frame = frame_from_planes(_turned(planes, spec.turn), spec.layout, *spec.stored_size)
    if pix_fmt != spec.layout.name:
        frame = frame.reformat(format=pix_fmt)
    frame.color_range = 2 if spec.color.full_range else 1
    frame.color_primaries, frame.color_trc = spec.color.primaries, spec.color.transfer
    frame.colorspace = spec.color.matrix
    return frame


def _turned(planes: tuple[NDArray[np.generic], ...], turn: DisplayTransform) -> tuple[NDArray[np.generic], ...]:
    """Planes of one size, turned by whole quarter turns and then mirrored."""
    if not turn:
        return planes
    turned = (np.rot90(plane, round(turn.rotation / 90)) for plane in planes)
    return tuple(plane[:, ::-1] if turn.mirrored else plane for plane in turned)


def _refuse(spec: EncoderSpec, error: Exception) -> UsageError:
    return UsageError(
        f"the {spec.encoder} encoder refuses {spec.width}x{spec.height} {spec.layout.name}: {error}; "
        "try another --codec or size"
    )


class _PacketsSink:
    """Encodes to a file of packets."""

    def __init__(self, path: Path, spec: EncoderSpec) -> None:
        self._path, self._spec = path, spec
        self._pix_fmt = _PACKED.get((spec.encoder, spec.layout.name), spec.layout.name)
        self._packets: list[PacketTimes] = []
        self._file = path.open("wb")  # ours, so that it is closed whatever becomes of the muxer
        self._container: OutputContainer = av.open(
            self._file, "w", format=segment_format(spec.codec), options={"fflags": "+bitexact"}
        )
        stream = self._container.add_stream(spec.encoder, rate=spec.frame_rate)
        self._stream = stream
        context = stream.codec_context
        assert isinstance(context, VideoCodecContext)
        self._context = context
        _configure(self._context, spec, self._pix_fmt)
        self._context.flags |= _GLOBAL_HEADER
        with ordinary_scheduling():
            try:
                self._context.open()
            except av.error.FFmpegError as error:
                self.abort()
                raise _refuse(spec, error) from error

    def write(self, planes: tuple[NDArray[np.generic], ...], pts: int) -> None:
        """See `SegmentSink.write`."""
        frame = _make_frame(planes, self._spec, self._pix_fmt)
        frame.pts, frame.time_base = pts, self._spec.time_base
        self._encode(frame)

    def _encode(self, frame: av.VideoFrame | None) -> None:
        try:
            packets: Iterable[Packet[Any]] = self._context.encode(frame)
        except av.error.FFmpegError as error:
            raise _refuse(self._spec, error) from error
        for packet in packets:
            if packet.pts is None or packet.time_base is None:
                raise UsageError(f"{self._spec.encoder} gave a packet without time")
            place = len(self._packets)
            pts = Fraction(packet.pts) * packet.time_base / self._spec.time_base
            if pts.denominator != 1:
                raise UsageError(f"{self._spec.encoder} changed the time base to {packet.time_base}")
            self._packets.append(PacketTimes(int(pts), bool(packet.is_keyframe), packet.size))
            packet.pts = packet.dts = place
            packet.time_base = Fraction(1, 25)
            packet.stream = self._stream
            try:
                self._container.mux(packet)
            except OSError as error:
                raise _disk(self._path, error) from error

    def close(self) -> list[PacketTimes]:
        """See `SegmentSink.close`."""
        self._encode(None)
        try:
            self._container.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise _disk(self._path, error) from error
        return self._packets

    def abort(self) -> None:
        """See `SegmentSink.abort`."""
        for opened in (self._container, self._file):
            try:
                opened.close()
            except (av.error.FFmpegError, OSError):
                pass  # the file is being thrown away: what closing it meets no longer matters
        self._path.unlink(missing_ok=True)


def encode_image(planes: tuple[NDArray[np.generic], ...], spec: EncoderSpec) -> bytes:
    """A complete image file. Raises `UsageError` where the encoder refuses it."""
    pix_fmt = _PACKED.get((spec.encoder, spec.layout.name), spec.layout.name)
    context = av.CodecContext.create(spec.encoder, "w")
    assert isinstance(context, VideoCodecContext)
    _configure(context, spec, pix_fmt)
    context.thread_count = 1
    frame = _make_frame(planes, spec, pix_fmt)
    frame.pts, frame.time_base = 0, spec.time_base
    try:
        return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    except av.error.FFmpegError as error:
        raise _refuse(spec, error) from error


class _ImagesSink:
    """Encodes to one file that holds complete image files, one after the other."""

    def __init__(self, path: Path, spec: EncoderSpec) -> None:
        self._path, self._spec = path, spec
        self._file = path.open("wb")
        self._packets: list[PacketTimes] = []

    def write(self, planes: tuple[NDArray[np.generic], ...], pts: int) -> None:
        """See `SegmentSink.write`."""
        data = encode_image(planes, self._spec)
        try:
            self._file.write(data)
        except OSError as error:
            raise _disk(self._path, error) from error
        self._packets.append(PacketTimes(pts, True, len(data)))

    def close(self) -> list[PacketTimes]:
        """See `SegmentSink.close`."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise _disk(self._path, error) from error
        return self._packets

    def abort(self) -> None:
        """See `SegmentSink.abort`."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def _disk(path: Path, error: OSError) -> MachineError:
    return MachineError(f"cannot write {path}: {error.strerror or error}; free some space and run again")


def can_encode(encoder: str) -> bool:
    """Whether this build of PyAV has FFmpeg's encoder of that name."""
    try:
        av.Codec(encoder, "w")
    except ValueError:
        return False
    return True
