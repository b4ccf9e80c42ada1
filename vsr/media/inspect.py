"""What a finished file really holds, read back packet by packet: for checks and manifests."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
import numpy as np
from numpy.typing import NDArray

from vsr.errors import Interrupted
from vsr.media.demuxing import demux
from vsr.media.safe_open import open_input
from vsr.media.webp import WEBP_TICK, holds_webp, read_webp

__all__ = ["PartSample", "StreamDigest", "count_shown_packets", "digest_streams", "packet_sizes", "video_times"]

_MOST_FAILURES = 16
_PCM = re.compile(r"pcm_[suf](8|16|24|32|64)(?:le|be)?|pcm_(?:alaw|mulaw)")


@dataclass(frozen=True)
class StreamDigest:
    """One stream, packet by packet."""

    index: int
    kind: str
    codec: str
    num_packets: int
    num_bytes: int
    tick: Fraction
    """Seconds a tick of its clock."""
    first_seconds: Fraction | None
    """Presentation time of the earliest packet."""
    sha256: str
    """Over the payloads, in file order."""


@dataclass(frozen=True)
class PartSample:
    """PCM whose packet ends within a sample, as where a file is cut off."""

    index: int
    """Of the stream."""
    num_bytes: int
    """What is there of the sample of all channels."""
    num_packets: int
    """Packets of the stream so far, with this one."""
    sha256: str
    """Over the payloads so far, without these bytes."""


def digest_streams(
    path: Path,
    stop: threading.Event | None = None,
    *,
    deep: bool = False,
    on_stranger: Callable[[], None] | None = None,
    on_part: Callable[[PartSample], None] | None = None,
) -> tuple[StreamDigest, ...]:
    """A digest of every stream of ``path``. Places that cannot be read are passed over, as ffmpeg does when it copies.

    ``on_stranger`` is called for each stream that was not there when the file was opened (``deep``: after reading
    further into it), ``on_part`` for each packet that ends within a sample. Raises `Interrupted` soon after
    ``stop`` is set.
    """
    if holds_webp(path):
        return (_digest_webp(path),)
    with open_input(path, deep=deep) as container:
        streams = list(container.streams)
        samples = [_sample_bytes(stream) for stream in streams]
        hashes = [hashlib.sha256() for _ in streams]
        counts, sizes = [0] * len(streams), [0] * len(streams)
        firsts: list[Fraction | None] = [None] * len(streams)
        for packet in _packets(container, on_stranger):
            if stop is not None and stop.is_set():
                raise Interrupted(f"{path}: digest not finished")
            index = packet.stream_index
            counts[index] += 1
            if on_part is not None and (rest := packet.size % samples[index]):
                whole = hashes[index].copy()
                whole.update(memoryview(packet)[:-rest])
                on_part(PartSample(index, rest, counts[index], whole.hexdigest()))
            hashes[index].update(packet)
            sizes[index] += packet.size
            if packet.pts is not None and packet.time_base is not None:
                time = packet.pts * packet.time_base
                known = firsts[index]
                firsts[index] = time if known is None else min(known, time)
        return tuple(
            StreamDigest(
                index=stream.index,
                kind=stream.type or "unknown",
                codec=_codec(stream),
                num_packets=counts[stream.index],
                num_bytes=sizes[stream.index],
                tick=stream.time_base or Fraction(1, 1000),
                first_seconds=firsts[stream.index],
                sha256=hashes[stream.index].hexdigest(),
            )
            for stream in streams
        )


def _digest_webp(path: Path) -> StreamDigest:
    """FFmpeg's library does not split animations."""
    found = read_webp(path)
    num_bytes = sum(frame.num_bytes for frame in found.frames)
    return StreamDigest(0, "video", "webp", len(found.frames), num_bytes, WEBP_TICK, Fraction(0), found.sha256)


def _sample_bytes(stream: Any) -> int:
    """Bytes of a sample of all channels of PCM; 1 of whatever else."""
    found = _PCM.fullmatch(_codec(stream)) if stream.type == "audio" else None
    return int(found[1] or 8) // 8 * max(1, stream.codec_context.layout.nb_channels) if found else 1


def _codec(stream: Any) -> str:
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    return str((stream.type == "data" and stream.name) or "unknown")


def _packets(
    container: av.container.InputContainer, on_stranger: Callable[[], None] | None
) -> Iterator[av.Packet[Any]]:
    demuxer, failures = demux(container, on_stranger=on_stranger), 0
    while True:
        try:
            packet = next(demuxer)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError:
            failures += 1
            if failures > _MOST_FAILURES:
                return
            demuxer = demux(container, on_stranger=on_stranger)
            continue
        if packet.size:
            yield packet


def count_shown_packets(path: Path, index: int) -> tuple[int, Fraction | None]:
    """How many packets of a stream an edit list leaves, and the earliest of their times, in seconds.

    The others are there to be decoded at most.
    """
    with open_input(path) as container:
        stream = container.streams[index]
        shown = [packet.pts for packet in demux(container, stream) if packet.size and not packet.is_discard]
        times = [pts for pts in shown if pts is not None]
        return len(shown), min(times) * (stream.time_base or Fraction(1)) if times else None


def packet_sizes(path: Path, index: int, times: Collection[int]) -> list[int]:
    """Bytes of the packets of stream ``index`` that are shown at ``times`` (ticks), in file order.

    Read from the key frame before them on, where the file can be sought in and its clock does not jump; else all of it.
    """
    near = _sizes(path, index, times, from_near=True)
    return near if len(near) == len(times) else _sizes(path, index, times, from_near=False)


def _sizes(path: Path, index: int, times: Collection[int], *, from_near: bool) -> list[int]:
    sizes: list[int] = []
    with open_input(path) as container:
        stream = container.streams[index]
        try:
            if from_near:
                container.seek(min(times), stream=stream)
            for packet in demux(container, stream):
                if packet.size and packet.pts is not None and packet.pts in times:
                    sizes.append(packet.size)
                if from_near and (packet.dts is None or packet.dts > max(times)):
                    break
        except av.error.FFmpegError:
            if not from_near:
                raise
    return sizes


def video_times(path: Path) -> tuple[NDArray[np.int64], Fraction]:
    """Presentation times of the first video stream's packets, sorted, and their time base; of those that are shown."""
    if holds_webp(path):
        return np.array([frame.pts for frame in read_webp(path).frames], np.int64), WEBP_TICK
    with open_input(path) as container:
        stream = container.streams.video[0]
        shown = (p.pts for p in container.demux(stream) if p.size and p.pts is not None and not p.is_discard)
        times = np.fromiter(shown, np.int64)
        return np.sort(times), stream.time_base or Fraction(1, 1000)
