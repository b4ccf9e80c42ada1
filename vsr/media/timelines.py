"""Where the streams beside a video pass from one timeline to the next, so that they are moved with its frames.

Sound and subtitles have the same clock as the video, but not the same packets: each stream passes to the next timeline
where its own times jump alike, near the place in the file where those of the video do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.error

from vsr.media.damage import Timeline
from vsr.media.demuxing import demux
from vsr.media.safe_open import open_input

__all__ = ["StreamMove", "is_clock_jump", "stream_moves"]

_NEAR_SECONDS = 1  # how far from a jump's two sides packets in coding order may be
_NEAR_PACKETS = 400  # how far interleaving may carry a packet past a jump


@dataclass(frozen=True)
class StreamMove:
    """What is added to the times of one stream."""

    runs: tuple[tuple[int, Fraction], ...]
    """From which of its packets on, counted from 0 in file order, how many seconds."""
    first_seconds: Fraction | None
    """Its earliest time after that."""

    def at(self, number: int) -> Fraction:
        """Seconds added to the time of packet ``number``."""
        return next((seconds for first, seconds in reversed(self.runs) if first <= number), Fraction(0))

    def expression(self) -> str:
        """The same for FFmpeg's ``setts``, in ticks, as a function of the packet's number ``N``."""
        steps = [
            f"gte(N,{first})*({(seconds - before).numerator}/{(seconds - before).denominator})"
            for (_, before), (first, seconds) in pairwise([(0, Fraction(0)), *self.runs])
        ]
        return f"round(({'+'.join(steps)})/TB)"


@dataclass(frozen=True, slots=True)
class _Packet:
    stream: int
    seconds: Fraction


def stream_moves(path: Path, video_index: int, timelines: Sequence[Timeline]) -> dict[int, StreamMove]:
    """How all streams of ``path`` but the video follow the ``timelines`` of its video, by stream index.

    Reads all packets once; damage ends the reading where it ends it.
    """
    with open_input(path) as container:
        base = container.streams[video_index].time_base or Fraction(1, 1000)
        packets = list(_packets(container))
    by_stream: dict[int, list[tuple[int, Fraction]]] = {}
    for place, packet in enumerate(packets):
        by_stream.setdefault(packet.stream, []).append((place, packet.seconds))
    jumps = _jumps(by_stream.get(video_index, []), timelines, base)
    return {stream: _move(found, jumps) for stream, found in by_stream.items() if stream != video_index}


@dataclass(frozen=True, slots=True)
class _Jump:
    place: int
    """Of the video's first packet after it, in file order."""
    seconds: Fraction
    """By how much the clock steps."""
    offset: Fraction
    """Seconds that are added to what follows."""


def _move(packets: Sequence[tuple[int, Fraction]], jumps: Sequence[_Jump]) -> StreamMove:
    """How a stream with packets at these places and times follows ``jumps``."""
    places = [place for place, _ in packets]
    runs: list[tuple[int, Fraction]] = []
    first = 0
    for jump in jumps:
        low, high = (bisect_left(places, jump.place + reach) for reach in (-_NEAR_PACKETS, _NEAR_PACKETS))
        alike = [
            n
            for n in range(max(first, low, 1), high)
            if abs(packets[n][1] - packets[n - 1][1] - jump.seconds) < abs(jump.seconds) / 2
        ]
        if alike:
            first = min(alike, key=lambda n: abs(packets[n][0] - jump.place))
        else:
            first = max(first, bisect_left(places, jump.place))
        runs.append((first, jump.offset))
    move = StreamMove(tuple(runs), None)
    return replace(move, first_seconds=min(time + move.at(n) for n, (_, time) in enumerate(packets)))


def is_clock_jump(path: Path, video_index: int, before: int, after: int) -> bool:
    """Whether a gap between two times of the video, in its ticks, is one of the file's clock: no sound goes on in it.

    Reads all packets once.
    """
    with open_input(path) as container:
        sounds = {stream.index for stream in container.streams.audio}
        base = container.streams[video_index].time_base or Fraction(1, 1000)
        margin = min(Fraction(_NEAR_SECONDS), (after - before) * base / 4)
        start, stop = before * base + margin, after * base - margin
        return not any(packet.stream in sounds and start < packet.seconds < stop for packet in _packets(container))


def _packets(container: av.container.InputContainer) -> Iterator[_Packet]:
    demuxer = demux(container)
    latest: dict[int, Fraction] = {}
    while True:
        try:
            packet = next(demuxer)
        except (StopIteration, av.error.FFmpegError):
            return
        if not packet.size:
            continue
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None and packet.time_base is not None:
            latest[packet.stream_index] = time * packet.time_base
        yield _Packet(packet.stream_index, latest.get(packet.stream_index, Fraction(0)))


def _jumps(video: Sequence[tuple[int, Fraction]], timelines: Iterable[Timeline], base: Fraction) -> list[_Jump]:
    """The jumps of the clock, placed by the packets of the video."""
    jumps: list[_Jump] = []
    number = 1
    for line in timelines:
        before, after = line.before * base, line.after * base
        reach = min(abs(after - before) / 2, Fraction(_NEAR_SECONDS))
        found = next(
            (
                n
                for n in range(number, len(video))
                if abs(video[n - 1][1] - before) <= reach and abs(video[n][1] - after) <= reach
            ),
            min(max(number, line.ordinal), len(video) - 1),  # packets that give no frame, or another time
        )
        jumps.append(_Jump(video[found][0], after - before, line.offset * base))
        number = found + 1
    return jumps
