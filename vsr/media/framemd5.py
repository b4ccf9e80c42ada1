"""Per-frame checksums in the format of FFmpeg's ``framemd5`` muxer.

One line a frame: stream, decoding time, presentation time, duration, bytes, MD5. ``ffmpeg -f framemd5`` writes the
same of the same stream, so that anybody can check them without vsr. Decoded frames are taken as FFmpeg's ``rawvideo``
encoder writes them: planes without padding, in the decoder's own pixel format.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, overload

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from vsr.errors import InputError
from vsr.media.decode import FrameRecord
from vsr.media.demuxing import demux
from vsr.media.safe_open import open_input
from vsr.media.webp import WEBP_TICK, holds_webp, read_webp

__all__ = ["Checksum", "ChecksumFile", "Checksums", "FrameHasher", "hash_frames", "packet_checksums", "raw_bytes"]

_QUEUE_FRAMES = 3  # raw frames that wait for their checksum
_MD5_BYTES = 16
_HEAD = "#format: frame checksums\n#version: 2\n#hash: MD5\n"


@dataclass(frozen=True, slots=True)
class Checksum:
    """One line of the file."""

    dts: int
    """Ticks of the file's time base; for decoded frames the same as ``pts``."""
    pts: int
    duration: int
    """Ticks, as the container says; 1 where it says nothing, 0 where FFmpeg says 0."""
    size: int
    """Bytes."""
    md5: bytes
    """16 bytes."""

    def line(self) -> str:
        """As ffmpeg writes it."""
        return f"0, {self.dts:>10}, {self.pts:>10}, {self.duration:>8}, {self.size:>8}, {self.md5.hex()}"


class Checksums(Sequence[Checksum]):
    """Lines of the file, at 56 bytes a line: videos are long."""

    def __init__(self) -> None:
        self._numbers = array("q")
        self._digests = bytearray()

    def append(self, row: Checksum) -> None:
        """Add a line."""
        self._numbers.extend((row.dts, row.pts, row.duration, row.size))
        self._digests += row.md5

    def __len__(self) -> int:
        return len(self._digests) // _MD5_BYTES

    @overload
    def __getitem__(self, place: int) -> Checksum: ...

    @overload
    def __getitem__(self, place: slice) -> list[Checksum]: ...

    def __getitem__(self, place: int | slice) -> Checksum | list[Checksum]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        dts, pts, duration, size = self._numbers[4 * number : 4 * number + 4]
        return Checksum(dts, pts, duration, size, bytes(self._digests[_MD5_BYTES * number : _MD5_BYTES * (number + 1)]))


@dataclass(frozen=True)
class ChecksumFile:
    """A file of checksums of one video stream."""

    time_base: Fraction
    codec: str
    """``rawvideo`` for decoded frames, else the codec's name."""
    width: int
    height: int
    sample_aspect_ratio: Fraction
    rows: Sequence[Checksum]

    def pieces(self) -> Iterator[str]:
        """The file's text, in pieces."""
        aspect = self.sample_aspect_ratio
        yield _HEAD
        yield f"#tb 0: {self.time_base.numerator}/{self.time_base.denominator}\n"
        yield f"#media_type 0: video\n#codec_id 0: {self.codec}\n#dimensions 0: {self.width}x{self.height}\n"
        yield f"#sar 0: {aspect.numerator}/{aspect.denominator}\n"
        yield "#stream#, dts,        pts, duration,     size, hash\n"
        for row in self.rows:
            yield row.line() + "\n"

    @classmethod
    def read(cls, path: Path) -> ChecksumFile:
        """The file at ``path``, ours or ffmpeg's; raises `InputError` where it is none."""
        try:
            head: dict[str, str] = {}
            rows = Checksums()
            with path.open(encoding="ascii") as file:
                for line in file:
                    if line.startswith("#"):
                        name, _, value = line[1:].partition(":")
                        head[name] = value.strip()
                    elif line.strip():
                        _, dts, pts, duration, size, md5 = (part.strip() for part in line.split(","))
                        rows.append(Checksum(int(dts), int(pts), int(duration), int(size), bytes.fromhex(md5)))
            width, height = (int(side) for side in head["dimensions 0"].split("x"))
            return cls(
                Fraction(head["tb 0"]), head["codec_id 0"], width, height, _ratio(head.get("sar 0", "0/1")), rows
            )
        except (OSError, ValueError, KeyError, ZeroDivisionError) as error:
            raise InputError(f"{path}: is not a file of frame checksums ({error})") from error


def _ratio(text: str) -> Fraction:
    above, _, below = text.partition("/")
    return Fraction(int(above), int(below) or 1)


class FrameHasher:
    """Checksums of decoded frames, each taken in a thread beside the caller's work. A context manager.

    `push` copies the frame's bytes at once: the decoder may paint over its buffers afterwards.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checksum")
        self._waiting: deque[Future[Checksum]] = deque()
        self._rows = Checksums()
        self._encoders: dict[tuple[int, int, str], VideoCodecContext] = {}

    def __enter__(self) -> FrameHasher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    def push(self, record: FrameRecord, frame: av.VideoFrame) -> None:
        """Take the next frame."""
        data = self._raw(frame)
        while len(self._waiting) >= _QUEUE_FRAMES:
            self._rows.append(self._waiting.popleft().result())
        self._waiting.append(self._pool.submit(_checksum, data, record))

    def _raw(self, frame: av.VideoFrame) -> av.Packet[Any]:
        shape = (frame.width, frame.height, frame.format.name)
        if shape not in self._encoders:
            self._encoders[shape] = _raw_encoder(frame)
        return _encode(self._encoders[shape], frame)

    def rows(self) -> Checksums:
        """Checksums of all frames pushed so far."""
        while self._waiting:
            self._rows.append(self._waiting.popleft().result())
        return self._rows


def _checksum(data: av.Packet[Any], record: FrameRecord) -> Checksum:
    return Checksum(record.pts, record.pts, record.duration or 1, data.size, hashlib.md5(data).digest())


def _raw_encoder(frame: av.VideoFrame) -> VideoCodecContext:
    context = av.CodecContext.create("rawvideo", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base = Fraction(1, 1000)
    return context


def _encode(context: VideoCodecContext, frame: av.VideoFrame) -> av.Packet[Any]:
    pts, time_base = frame.pts, frame.time_base
    frame.pts, frame.time_base = 0, Fraction(1, 1000)
    try:
        [packet] = context.encode(frame)
    finally:
        frame.pts, frame.time_base = pts, time_base
    return packet


def raw_bytes(frame: av.VideoFrame) -> bytes:
    """The samples of ``frame`` as FFmpeg's ``rawvideo`` encoder writes them."""
    return bytes(_encode(_raw_encoder(frame), frame))


def hash_frames(
    frames: Iterable[tuple[FrameRecord, av.VideoFrame]], hasher: FrameHasher
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """``frames`` as they are, each one pushed to ``hasher`` on its way."""
    for record, frame in frames:
        hasher.push(record, frame)
        yield record, frame


def _webp_checksums(path: Path) -> ChecksumFile:
    found, rows = read_webp(path), Checksums()
    for frame in found.frames:
        rows.append(Checksum(frame.pts, frame.pts, frame.duration, frame.num_bytes, frame.md5))
    return ChecksumFile(WEBP_TICK, "webp", found.width, found.height, Fraction(1), rows)


def packet_checksums(path: Path, stream_index: int = 0) -> ChecksumFile:
    """Checksums of the packets of a file's video stream number ``stream_index``: those of ``ffmpeg -c copy``.

    The packets of WebP are the chunks of its frames.
    """
    if holds_webp(path):
        return _webp_checksums(path)
    with open_input(path) as container:
        stream = container.streams.video[stream_index]
        context = stream.codec_context
        rows = Checksums()
        demuxer = demux(container, stream)
        while True:
            try:
                packet = next(demuxer)
            except (StopIteration, av.error.FFmpegError):
                break
            if packet.size:
                pts = packet.pts if packet.pts is not None else 0
                dts = packet.dts if packet.dts is not None else pts
                rows.append(Checksum(dts, pts, packet.duration or 0, packet.size, hashlib.md5(packet).digest()))
        return ChecksumFile(
            stream.time_base or Fraction(1, 1000),
            context.codec.canonical_name,
            context.width,
            context.height,
            context.sample_aspect_ratio or Fraction(0),
            rows,
        )
