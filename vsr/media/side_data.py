"""The side data of decoded frames, read in the one way that cannot end the process.

PyAV 18 frees the dictionary of every item of ``frame.side_data`` that has one, and FFmpeg frees it again: a crash once
the list is let go. Of all that FFmpeg attaches, ICC profiles alone have one (their name, from PNG and APNG), so
they are taken off a second reference to the frame before it is listed; `vsr.media.icc` reads them from the file. The
list's own enumeration lacks newer kinds (EXIF, views) and would refuse a frame for them: it is given names for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph
from av.sidedata.sidedata import Type

__all__ = ["SideData", "side_data"]

_WITH_A_DICTIONARY = "ICC_PROFILE"
_COUNTER = Fraction(1, 1000)


@dataclass(frozen=True)
class SideData:
    """One item."""

    kind: str
    """PyAV's name of the kind; ``FFMPEG_`` and FFmpeg's number where it has none."""
    data: bytes
    """As FFmpeg lays it out in memory, in the machine's byte order."""


def _kind_without_a_name(kinds: type[Type], number: int) -> Type:
    """For numbers of FFmpeg that PyAV has no name for: it would refuse the frame, with all its side data."""
    kind = object.__new__(kinds)
    kind.__dict__.update(_name_=f"FFMPEG_{number}", _value_=number)
    return kind


Type._missing_ = classmethod(_kind_without_a_name)  # type: ignore[assignment]


def side_data(frame: av.VideoFrame) -> tuple[SideData, ...]:
    """What ``frame`` carries beside its samples, but for ICC profiles; ``frame`` itself is left as it was."""
    listed: list[Any] = list(_without_dictionaries(frame).side_data)  # PyAV's annotation calls the items text
    return tuple(SideData(item.type.name, bytes(item)) for item in listed)


def _without_dictionaries(frame: av.VideoFrame) -> av.VideoFrame:
    """Another reference to the samples of ``frame``."""
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_COUNTER)
    delete, sink = graph.add("sidedata", f"mode=delete:type={_WITH_A_DICTIONARY}"), graph.add("buffersink")
    source.link_to(delete)
    delete.link_to(sink)
    graph.configure()
    pts, time_base = frame.pts, frame.time_base
    frame.pts, frame.time_base = 0, _COUNTER
    try:
        graph.push(frame)
        found = graph.pull()
    finally:
        frame.pts, frame.time_base = pts, time_base
    assert isinstance(found, av.VideoFrame)
    return found
