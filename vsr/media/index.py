"""An index of a video stream from its packets alone: how many, when, and whether they come at one rate.

Demuxing is a hundred times faster than decoding, but a packet is not a frame: hidden frames, lost references and
edit lists make the linear decode the only reliable source. The index serves for reports and estimates.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import av.error

from vsr.media.animated_webp import WEBP
from vsr.media.demuxing import demux, open_for
from vsr.media.packets import is_empty_sample
from vsr.media.probe import MediaInfo
from vsr.media.webp import read_webp

__all__ = ["PacketIndex", "index_packets"]


@dataclass(frozen=True)
class PacketIndex:
    """What the packets of one video stream tell."""

    num_packets: int
    num_keyframes: int
    num_corrupt: int
    """Packets the container flags as damaged."""
    num_lead: int
    """Packets before the first key frame, which give no frame."""
    num_empty: int
    """Samples without data, over which the frame before goes on."""
    num_repeated_times: int
    """Packets whose presentation time another one has too."""
    num_without_time: int
    is_vfr: bool
    """Whether frame durations differ by more than the rounding of the clock."""
    common_rate: Fraction | None
    """Frames a second by the commonest distance; exact for constant rate."""
    read_error: str | None
    """Why reading ended early, if it did."""


def index_packets(info: MediaInfo) -> PacketIndex:
    """Demux the whole stream once. Image sequences and animated WebP are indexed from their times."""
    if info.images:
        return _index(info, _Packets(list(info.image_pts), keys=len(info.image_pts)))
    if info.container == WEBP:
        times = [frame.pts for frame in read_webp(info.path).frames]
        return _index(info, _Packets(times, keys=1))
    found = _Packets()
    with open_for(info.path, info.video.index) as container:
        demuxer = demux(container, container.streams[info.video.index])
        while True:
            try:
                packet = next(demuxer)
            except StopIteration:
                break
            except av.error.FFmpegError as error:
                found.problem = error.strerror or str(error)
                break
            if packet.size and not packet.is_discard:
                found.add(packet)
            elif is_empty_sample(packet):
                found.empty += 1
    return _index(info, found)


@dataclass
class _Packets:
    times: list[int] = field(default_factory=list)
    keys: int = 0
    corrupt: int = 0
    timeless: int = 0
    lead: int = 0
    empty: int = 0
    problem: str | None = None

    def add(self, packet: av.Packet[Any]) -> None:
        self.keys += bool(packet.is_keyframe)
        self.lead += not self.keys
        self.corrupt += bool(packet.is_corrupt)
        if packet.pts is None:
            self.timeless += 1
        else:
            self.times.append(packet.pts)


def _index(info: MediaInfo, found: _Packets) -> PacketIndex:
    untimed = info.video.untimed_rate
    times = sorted(found.times) if untimed is None else []
    steps = Counter(after - before for before, after in itertools.pairwise(times) if after > before)
    common = steps.most_common(1)[0][0] if steps else None
    time_base = info.video.time_base
    vfr = bool(steps) and max(steps) - min(steps) > 1
    rate = untimed
    if common is not None:
        rate = 1 / (common * time_base)
        if not vfr and len(steps) > 1:  # a coarse clock jitters around the rate: the mean is nearer
            declared = info.video.average_rate or info.video.base_rate
            mean = (len(times) - 1) / ((times[-1] - times[0]) * time_base)
            rate = declared if declared and abs(declared / mean - 1) < Fraction(1, 200) else mean
    return PacketIndex(
        num_packets=len(found.times) + found.timeless,
        num_keyframes=found.keys,
        num_corrupt=found.corrupt,
        num_lead=found.lead if found.keys else 0,
        num_empty=found.empty,
        num_repeated_times=len(times) - len(set(times)),
        num_without_time=found.timeless if untimed is None else 0,
        is_vfr=vfr,
        common_rate=rate,
        read_error=found.problem,
    )
