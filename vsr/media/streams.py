"""The streams of a file, whatever their kind and whether or not FFmpeg has a codec for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av.stream
from av.container import InputContainer

__all__ = ["StreamInfo", "is_cover", "lacks_parameters", "stream_infos"]

_NAMED = re.compile(r"\b(?:Video|Audio|Subtitle|Data|Attachment): (\w+)")
_PROGRAM = re.compile(r"^Program: (.*)$", re.MULTILINE)
_TAG = re.compile(r"\(([^()/\[\]]{4}) / 0x[0-9A-Fa-f]+\)")


@dataclass(frozen=True)
class StreamInfo:
    """One stream of a file, whatever its kind."""

    index: int
    kind: str
    """``video``, ``audio``, ``subtitle``, ``attachment``, ``data`` or ``cover`` (an attached picture)."""
    codec: str
    """FFmpeg's codec name; ``timecode`` for a tmcd track, ``chapters`` for a chapter track; or ``unknown``."""
    time_base: Fraction
    start_pts: int | None
    """First time in ticks, where the container says."""
    metadata: dict[str, str] = field(default_factory=dict)
    tag: str = ""
    """The container's own four letters for the codec, where it has such: the only name that data tracks have."""
    id: int = 0
    """The container's own number of the stream (MP4's track, the PID of a transport stream); 0: none."""
    has_decoder: bool = True
    """Whether FFmpeg could decode it; which containers take other sound and images is unknown."""
    size: str = ""
    """Of video, coded, ``WxH``."""
    program: str = ""
    """Number and name of the programme of a broadcast that it belongs to."""

    @property
    def language(self) -> str | None:
        """ISO 639 code, where tagged."""
        return self.metadata.get("language")

    def __str__(self) -> str:
        tag = f", {self.tag}" if self.tag and self.codec in ("unknown", "bin_data") else ""
        return f"{self.kind} stream {self.index} ({self.codec}{tag})"


def stream_infos(container: InputContainer, described: Mapping[int, str]) -> tuple[StreamInfo, ...]:
    """Every stream of ``container``; ``described`` is what `vsr.media.safe_open.describe_streams` says of them."""
    is_quicktime, has_chapters = container.format.name.startswith("mov"), bool(container.chapters())
    return tuple(
        _stream_info(stream, described.get(stream.index, ""), is_quicktime=is_quicktime, has_chapters=has_chapters)
        for stream in container.streams
    )


def _size(stream: Any) -> str:
    context = stream.codec_context
    return f"{context.width}x{context.height}" if context is not None and context.width else ""


def _stream_info(stream: Any, description: str, *, is_quicktime: bool, has_chapters: bool) -> StreamInfo:
    kind, metadata = stream.type or "unknown", dict(stream.metadata)
    tag = found[1].strip() if (found := _TAG.search(description)) else ""
    return StreamInfo(
        index=stream.index,
        kind="cover" if kind == "video" and is_cover(stream) else kind,
        codec=_codec(stream, description, tag, is_quicktime=is_quicktime, has_chapters=has_chapters),
        time_base=stream.time_base or Fraction(1, 1000),
        start_pts=stream.start_time,
        metadata=metadata,
        tag=tag,
        id=stream.id,
        has_decoder=stream.codec_context is not None,
        size=_size(stream) if kind == "video" else "",
        program=found[1] if (found := _PROGRAM.search(description)) else "",
    )


def _codec(stream: Any, description: str, tag: str, *, is_quicktime: bool, has_chapters: bool) -> str:
    """FFmpeg's name also where it has no decoder, so that PyAV has no codec context: data tracks, for example."""
    if stream.type == "attachment":
        return "unknown"
    if stream.type == "data":
        # cameras' metadata tracks carry a timecode too, which must not make them pass for a timecode track
        if tag == "tmcd" or (not is_quicktime and "timecode" in stream.metadata):
            return "timecode"
        if has_chapters and tag == "text":
            return "chapters"
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    named = found[1] if (found := _NAMED.search(description)) else "none"
    return "unknown" if named == "none" else named


def is_cover(stream: object) -> bool:
    """Whether a video stream is an image that belongs to the file as a whole."""
    return bool(getattr(stream, "disposition", 0) & av.stream.Disposition.attached_pic)


def lacks_parameters(container: InputContainer) -> bool:
    """Whether FFmpeg knows the codec of a stream but has not yet met what a copy of it needs: it begins late."""
    return any(_is_bare(stream) for stream in container.streams)


def _is_bare(stream: Any) -> bool:
    context = stream.codec_context
    if context is None or stream.type not in ("audio", "video"):
        return False
    if stream.type == "audio":
        return not context.sample_rate or not context.layout.nb_channels
    return not context.width or not context.height
