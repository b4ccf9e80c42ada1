"""YUV4MPEG2: uncompressed frames behind one line of text, which is how video programs are joined by a ``|``.

The line gives size, one constant rate, scanning, aspect, chroma with its siting and depth, and the range. It has no
place for primaries, transfer or matrix, for times, or for anything else but frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vsr.media.encode import EncoderSpec
from vsr.media.mux import SegmentFile, packets_of

__all__ = ["FRAME_MARK", "Scanning", "count_off_rate", "header", "names_chroma_site", "write_y4m"]

FRAME_MARK = b"FRAME\n"
"""What stands before the samples of each frame, plane by plane."""

Scanning = Literal["progressive", "top first", "bottom first", "unknown"]
_SCANNING: dict[Scanning, str] = {"progressive": "p", "top first": "t", "bottom first": "b", "unknown": "?"}
_SITES = {"center": "jpeg", "left": "mpeg2", "topleft": "paldv"}
_SUBSAMPLING = {(1, 1): "420", (1, 0): "422", (0, 0): "444", (2, 0): "411"}


@dataclass(frozen=True)
class _Chroma:
    """What ``C`` says."""

    name: str
    extension: str
    """FFmpeg's ``XYSCSS``, which older readers know."""


def names_chroma_site(spec: EncoderSpec) -> bool:
    """Whether the header can say where chroma samples lie: in 8-bit 4:2:0 alone."""
    layout = spec.layout
    return layout.bit_depth == 8 and (layout.chroma_shift_x, layout.chroma_shift_y) == (1, 1)


def _chroma(spec: EncoderSpec) -> _Chroma:
    layout = spec.layout
    depth = "" if layout.bit_depth == 8 else str(layout.bit_depth)
    if layout.family == "gray":
        return _Chroma(f"mono{depth}", "")
    name = _SUBSAMPLING[layout.chroma_shift_x, layout.chroma_shift_y]
    if names_chroma_site(spec):
        name += _SITES.get(spec.color.chroma_location, "jpeg")
    elif depth:
        name += f"p{depth}"
    return _Chroma(name, f" XYSCSS={name.upper()}")


def header(spec: EncoderSpec, scanning: Scanning) -> bytes:
    """The first line of a stream of ``spec``'s frames."""
    rate, aspect, chroma = spec.frame_rate, spec.sample_aspect_ratio, _chroma(spec)
    color_range = "FULL" if spec.color.full_range else "LIMITED"
    line = (
        f"YUV4MPEG2 W{spec.width} H{spec.height} F{rate.numerator}:{rate.denominator} I{_SCANNING[scanning]} "
        f"A{aspect.numerator}:{aspect.denominator} C{chroma.name}{chroma.extension} XCOLORRANGE={color_range}\n"
    )
    return line.encode("ascii")


def count_off_rate(pts: Sequence[int] | NDArray[np.int64], time_base: Fraction, rate: Fraction) -> int:
    """Frames that a constant ``rate`` from the first one on shows more than half a frame early or late."""
    times = np.asarray(pts, np.float64) - float(pts[0])
    expected = np.arange(len(times)) / float(rate * time_base)
    return int((np.abs(times - expected) > 0.5 / float(rate * time_base)).sum())


def write_y4m(segments: Iterable[SegmentFile], head: bytes, target: Path) -> None:
    """Write ``target`` from segments of uncompressed frames."""
    with target.open("wb") as file:
        file.write(head)
        for segment in segments:
            for packet in packets_of(segment):
                file.write(FRAME_MARK)
                file.write(packet)
