"""The luma of a video's frames, for measurements: native samples where that is possible, else one common code.

Luma carries detail, and every published figure is measured on it. YUV and grey streams give their first plane as it
is. RGB gives the luma of a matrix, in video range. Where two streams differ in depth or range, both are brought to the
deeper depth and one range as unrounded floats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.media.convert import OutputFormat, quantise
from vsr.media.damage import Damage
from vsr.media.layouts import LAYOUTS
from vsr.media.planes import frame_layout, planes_of
from vsr.media.probe import MediaInfo
from vsr.media.reading import view
from vsr.media.thumbnails import thumbnail

__all__ = ["LumaCode", "LumaFrame", "common_luma", "read_luma"]

_BT601 = 6
_FLOAT_BITS = 16  # what float formats count as


@dataclass(frozen=True)
class LumaCode:
    """What the numbers of a luma plane mean."""

    bit_depth: int
    full_range: bool
    matrix: int
    """Of luma made from RGB: a code of ITU-T H.273."""

    @property
    def peak(self) -> float:
        """Largest code value."""
        return float((1 << self.bit_depth) - 1)


@dataclass(frozen=True)
class LumaFrame:
    """The luma of one frame."""

    ordinal: int
    """Place in the linear decode."""
    seconds: Fraction
    """Presentation time by the file's own clock."""
    luma: NDArray[Any]
    """``(H, W)``: uint8 or uint16 samples as they are, or float32 in the common code."""
    thumbnail: NDArray[np.uint8] | None = None
    """`vsr.media.thumbnails.thumbnail` of the frame, where it was asked for."""


def common_luma(infos: Sequence[MediaInfo]) -> LumaCode:
    """The code in which streams can be compared: the deepest depth; the range and matrix of the first that is YUV.

    RGB streams among themselves are compared as papers do: BT.601, video range.
    """
    depth = max(_FLOAT_BITS if info.video.layout.is_float else info.video.layout.bit_depth for info in infos)
    colors = [info.video.color for info in infos if info.video.layout.family != "rgb"]
    if not colors:
        return LumaCode(depth, False, _BT601)
    return LumaCode(depth, colors[0].full_range, colors[0].matrix)


def read_luma(
    info: MediaInfo, code: LumaCode, damage: Damage, *, threads: int = 1, thumbnails: bool = False
) -> Iterator[LumaFrame]:
    """The luma of every frame, decoded from start to end, in ``code``; ``thumbnails`` for finding cuts, too."""
    for ordinal, (pts, frame) in enumerate(view(info, threads, damage)):
        luma = _luma(frame, info.video.color, code)
        yield LumaFrame(ordinal, pts * info.video.time_base, luma, thumbnail(frame) if thumbnails else None)


def _luma(frame: av.VideoFrame, color: ColorSpec, code: LumaCode) -> NDArray[Any]:
    layout = frame_layout(frame)
    if layout.family == "rgb":
        return _from_rgb(frame, layout, color, code)
    [plane] = planes_of(frame, 1)  # a copy: holding the decoder's buffers changes damaged frames (vsr.media.filtering)
    if not layout.is_float and (layout.bit_depth, color.full_range) == (code.bit_depth, code.full_range):
        return plane
    offset, span = _range(layout.bit_depth, color.full_range) if not layout.is_float else (0.0, 1.0)
    to_offset, to_span = _range(code.bit_depth, code.full_range)
    scale = to_span / span
    return plane.astype(np.float32) * np.float32(scale) + np.float32(to_offset - offset * scale)


def _from_rgb(frame: av.VideoFrame, layout: PixelLayout, color: ColorSpec, code: LumaCode) -> NDArray[Any]:
    planes = tuple(torch.from_numpy(plane.astype(np.float32)) for plane in planes_of(frame))
    image = VideoFrame(planes, layout, color, 0, 0, Fraction(1))
    target = OutputFormat(LAYOUTS["grayf32le"], ColorSpec(color.primaries, color.transfer, code.matrix, True))
    [luma] = quantise(image, target)  # 0…1, unrounded
    offset, span = _range(code.bit_depth, code.full_range)
    return luma.astype(np.float32) * np.float32(span) + np.float32(offset)


def _range(bit_depth: int, full_range: bool) -> tuple[float, float]:
    """Code value of black, and from there to white."""
    step = 2.0 ** (bit_depth - 8)
    return (0.0, 2.0**bit_depth - 1) if full_range else (16 * step, 219 * step)
