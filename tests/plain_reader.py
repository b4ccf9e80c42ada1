"""What is in a file, read by plain PyAV: it shares no code with vsr, so it can judge what vsr writes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

__all__ = ["PlainFile", "PlainStream", "first_frames", "is_working_name", "read_plain", "with_records"]


@dataclass
class PlainStream:
    """A stream as plain PyAV demuxes it."""

    kind: str
    codec: str
    time_base: Fraction
    tags: dict[str, str]
    payloads: list[bytes] = field(default_factory=list)
    pts: list[int] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Over the payloads in file order."""
        return hashlib.sha256(b"".join(self.payloads)).hexdigest()

    @property
    def seconds(self) -> list[Fraction]:
        """Presentation times, sorted."""
        return [pts * self.time_base for pts in sorted(self.pts)]


@dataclass
class PlainFile:
    """A file as plain PyAV demuxes it."""

    streams: list[PlainStream]
    tags: dict[str, str]
    chapters: list[tuple[Fraction, str]]

    def of(self, kind: str) -> list[PlainStream]:
        """Streams of one kind, in order."""
        return [stream for stream in self.streams if stream.kind == kind]

    @property
    def video(self) -> PlainStream:
        """The first video stream."""
        return self.of("video")[0]


def read_plain(path: Path) -> PlainFile:
    """Demux ``path`` with PyAV alone."""
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        streams = [
            PlainStream(
                stream.type or "unknown",
                stream.codec_context.codec.canonical_name if stream.codec_context else "unknown",
                stream.time_base or Fraction(1, 1000),
                dict(stream.metadata),
            )
            for stream in container.streams
        ]
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                stream = streams[packet.stream_index]
                stream.payloads.append(bytes(packet))
                stream.pts.append(packet.pts)
                stream.dts.append(packet.dts)
        chapters = [
            (Fraction(chapter["start"]) * chapter["time_base"], chapter["metadata"].get("title", ""))
            for chapter in container.chapters()
        ]
        return PlainFile(streams, dict(container.metadata), chapters)


def first_frames(path: Path, count: int = 1_000_000) -> list[av.VideoFrame]:
    """The first decoded frames of the first video stream, by PyAV alone."""
    frames = []
    with av.open(f"file:{path}") as container:
        for frame in container.decode(video=0):
            frames.append(frame)
            if len(frames) == count:
                break
    return frames


def is_working_name(name: str) -> bool:
    """Whether vsr gives such names to what is not finished."""
    return name.endswith(".tmp") or ".vsr-partial" in name or ".vsr-work" in name or ".vsr-old" in name


def with_records(*names: str) -> set[str]:
    """The files that stay of these outputs: each with its manifest and its two files of checksums."""
    return {name + suffix for name in names for suffix in ("", ".vsr.json", ".framemd5", ".input.framemd5")}
