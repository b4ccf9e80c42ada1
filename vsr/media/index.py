"""An index of a video stream from its packets alone: how many, when, and whether they come at one rate.

Demuxing is a hundred times faster than decoding, but a packet is not a frame: hidden frames, lost references and
edit lists make the linear decode the only truth. The index serves for reports and estimates.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import av.error

from vsr.media.demuxing import demux, open_for
from vsr.media.probe import MediaInfo

__all__ = ["PacketIndex", "index_packets"]


@dataclass(frozen=True)
class PacketIndex:
    """What the packets of one video stream tell."""

    num_packets: int
    num_keyframes: int
    num_corrupt: int
    """Packets the container flags as damaged."""
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
    """Demux the whole stream once. Image sequences are indexed from their times."""
    if info.images:
        times: list[int] = list(info.image_pts)
        return _index(info, times, len(times), 0, 0, None)
    times, keys, corrupt, timeless, problem = [], 0, 0, 0, None
    with open_for(info.path, info.video.index) as container:
        demuxer = demux(container, container.streams[info.video.index])
        while True:
            try:
                packet = next(demuxer)
            except StopIteration:
                break
            except av.error.FFmpegError as error:
                problem = error.strerror or str(error)
                break
            if not packet.size or packet.is_discard:
                continue
            keys += bool(packet.is_keyframe)
            corrupt += bool(packet.is_corrupt)
            if packet.pts is None:
                timeless += 1
            else:
                times.append(packet.pts)
    return _index(info, sorted(times), keys, corrupt, timeless, problem)


def _index(
    info: MediaInfo, times: list[int], keys: int, corrupt: int, timeless: int, problem: str | None
) -> PacketIndex:
    steps = Counter(after - before for before, after in itertools.pairwise(times) if after > before)
    common = steps.most_common(1)[0][0] if steps else None
    time_base = info.video.time_base
    vfr = bool(steps) and max(steps) - min(steps) > 1
    rate: Fraction | None = None
    if common is not None:
        rate = 1 / (common * time_base)
        if not vfr and len(steps) > 1:  # a coarse clock jitters around the rate: the mean is nearer
            declared = info.video.average_rate or info.video.base_rate
            mean = (len(times) - 1) / ((times[-1] - times[0]) * time_base)
            rate = declared if declared and abs(declared / mean - 1) < Fraction(1, 200) else mean
    return PacketIndex(
        num_packets=len(times) + timeless,
        num_keyframes=keys,
        num_corrupt=corrupt,
        num_repeated_times=len(times) - len(set(times)),
        num_without_time=timeless,
        is_vfr=vfr,
        common_rate=rate,
        read_error=problem,
    )
