"""The side data of decoded frames, read in the one way that cannot end the process.

PyAV 18 frees the dictionary of every item of ``frame.side_data`` that has one, and FFmpeg frees it again: a crash once
the list is let go. Of all that FFmpeg attaches, ICC profiles alone have one (their name, from PNG and APNG), so
they are taken off a second reference to the frame before it is listed; `vsr.media.icc` reads them from the file. The
list's own enumeration lacks newer kinds (EXIF, views) and would refuse a frame for them: it is given names for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
from av.sidedata.sidedata import Type

from vsr.media.filtering import FrameFilter

__all__ = ["SideData", "has_icc_profile", "side_data"]


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
    without_dictionaries = FrameFilter("sidedata", "mode=delete:type=ICC_PROFILE")
    listed: list[Any] = list(without_dictionaries(frame).side_data)  # PyAV's annotation calls the items text
    return tuple(SideData(item.type.name, bytes(item)) for item in listed)


def has_icc_profile(frame: av.VideoFrame) -> bool:
    """Whether FFmpeg attached an ICC profile to ``frame``, which is left as it was."""
    return FrameFilter("sidedata", "mode=select:type=ICC_PROFILE").passes(frame)
