"""Where the streams beside a video pass from one timeline to the next, so that they are moved with its frames.

Sound and subtitles have the same clock as the video, but not the same packets: each stream passes to the next timeline
where its own times jump alike, near the place in the file where those of the video do.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from vsr.media.damage import Timeline
from vsr.media.demuxing import demux, open_for

__all__ = ["ClockJumps", "StreamMove", "stream_moves"]

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
        place = bisect_right(self.runs, number, key=lambda run: run[0])
        return self.runs[place - 1][1] if place else Fraction(0)

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
    with open_for(path, video_index) as container:
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


class ClockJumps:
    """Tells gaps of a file's clock from gaps in its video: no sound goes on in the former.

    The times of all sound are read once, at the first gap that is asked about.
    """

    def __init__(self, path: Path, video_index: int) -> None:
        self._path, self._video_index = path, video_index

    def is_jump(self, before: int, after: int) -> bool:
        """Whether a gap between two times of the video, in its ticks, is one of the clock."""
        base, sounds = self._read
        margin = min(Fraction(_NEAR_SECONDS), (after - before) * base / 4)
        start, stop = before * base + margin, after * base - margin
        return not any(_holds_time(ticks, start / tick, stop / tick) for ticks, tick in sounds)

    @cached_property
    def _read(self) -> tuple[Fraction, list[tuple[NDArray[np.int64], Fraction]]]:
        """The video's time base (s), and of each stream of sound its times, sorted, with the length of a tick (s)."""
        with open_for(self._path, self._video_index) as container:
            base = container.streams[self._video_index].time_base or Fraction(1, 1000)
            ticks = {stream.index: (array("q"), stream.time_base) for stream in container.streams.audio}
            for packet in _whole(demux(container, *container.streams.audio)) if ticks else ():
                time = packet.pts if packet.pts is not None else packet.dts
                if time is not None:
                    ticks[packet.stream_index][0].append(time)
        return base, [(np.sort(np.array(times, np.int64)), tick) for times, tick in ticks.values() if tick is not None]


def _holds_time(ticks: NDArray[np.int64], start: Fraction, stop: Fraction) -> bool:
    """Whether one of these sorted times lies between ``start`` and ``stop``."""
    place = int(np.searchsorted(ticks, math.floor(start), side="right"))
    return place < len(ticks) and int(ticks[place]) < stop


def _whole(demuxer: Iterator[av.Packet[Any]]) -> Iterator[av.Packet[Any]]:
    """Packets with data, as far as the file can be read."""
    while True:
        try:
            packet = next(demuxer)
        except (StopIteration, av.error.FFmpegError):
            return
        if packet.size:
            yield packet


def _packets(container: av.container.InputContainer) -> Iterator[_Packet]:
    latest: dict[int, Fraction] = {}
    for packet in _whole(demux(container)):
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
