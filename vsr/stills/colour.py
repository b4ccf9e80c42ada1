"""The colours of a still: fused from all frames as the luma is, and sharpened by following it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from vsr.frames import BT601_LUMA, ColorSpec, PixelLayout, VideoFrame
from vsr.media.grabbing import Grabbed
from vsr.media.layouts import LAYOUTS
from vsr.methods.reconstruction.luma import guide_detail
from vsr.observation import resample
from vsr.registration import sample_bicubic
from vsr.stills.boxes import Box, move_points
from vsr.stills.fusion import Fused
from vsr.stills.maps import confidences_at

__all__ = ["colourise", "luma_of"]

_RELIABLE = 0.3  # a frame of less confidence does not show the colour of a place


def luma_of(grabbed: Grabbed, dtype: torch.dtype) -> Tensor:
    """The luma of a frame, ``(h, w)``: code values over the peak, float formats cut off at 0 and 1."""
    planes = [plane.to(dtype) / grabbed.layout.peak for plane in grabbed.planes]
    if grabbed.layout.family == "rgb":
        luma = sum((plane * weight for plane, weight in zip(planes, BT601_LUMA, strict=False)), torch.zeros(()))
    else:
        luma = planes[0]
    return torch.nan_to_num(luma).clamp(0, 1) if grabbed.layout.is_float else luma


def colourise(fused: Fused, frames: Sequence[Grabbed], region: Box, scale: float, color: ColorSpec) -> VideoFrame:
    """The luma of ``fused`` with the colours of its frames, which its views name by their place in ``frames``.

    Every other plane is the median of all frames laid on the reference, where they have weight, plus the luma's detail
    as far as it follows the luma (`vsr.methods.reconstruction.luma`). No alpha. Planes are full-size code values,
    unrounded; their layout is the source's with full chroma.
    """
    layout, image = frames[0].layout, fused.image()
    size = (int(image.shape[0]), int(image.shape[1]))
    noise = fused.sigma / math.sqrt(len(fused.views))
    low = resample(image, (region.height, region.width), kernel="bicubic", scale_yx=(1 / scale, 1 / scale))
    plain = resample(low, size, kernel="bicubic", scale_yx=(scale, scale))
    planes = [image] if layout.family != "rgb" else []
    for number in range(len(planes), {"gray": 1, "yuv": 3, "rgb": 3}[layout.family]):
        plane = _median(number, frames, fused, region, color)
        detail = guide_detail(plane, low, image - plain, noise)
        planes.append(resample(plane, size, kernel="bicubic", scale_yx=(scale, scale)) + detail)
    codes = tuple(plane * layout.peak for plane in planes)
    return VideoFrame(codes, _full_chroma(layout), color, 0, 0, Fraction(1))


def _full_chroma(layout: PixelLayout) -> PixelLayout:
    stem = {"gray": "gray", "yuv": "yuv444p", "rgb": "gbrp"}[layout.family]
    if layout.is_float:
        return LAYOUTS[f"{stem}f32le"]
    return LAYOUTS[stem if layout.bit_depth == 8 else f"{stem}{layout.bit_depth}le"]


@dataclass(frozen=True)
class _Plane:
    """How a plane's samples lie among the luma samples."""

    block_x: int
    block_y: int
    siting_x: float
    siting_y: float
    follows_brightness: bool
    """Whether it gets brighter as the luma does: a colour of RGB, not a difference of colours."""

    @classmethod
    def of(cls, layout: PixelLayout, number: int, color: ColorSpec) -> _Plane:
        if not layout.is_chroma(number):
            return cls(1, 1, 0.0, 0.0, True)
        siting = layout.siting_offset(color.chroma_location)
        return cls(1 << layout.chroma_shift_x, 1 << layout.chroma_shift_y, *siting, False)

    def read(self, plane: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """``plane`` ``(h, w)`` at places of the luma."""
        rows = (y + 0.5) / self.block_y - 0.5 - self.siting_y
        cols = (x + 0.5) / self.block_x - 0.5 - self.siting_x
        return sample_bicubic(plane[None], rows.to(plane.dtype), cols.to(plane.dtype))[0]


def _median(number: int, frames: Sequence[Grabbed], fused: Fused, region: Box, color: ColorSpec) -> Tensor:
    """Plane ``number`` of all views on the reference's luma samples within ``region``, their median, 0…1.

    Where a frame has no weight the reference stands in for it.
    """
    layout, dtype = frames[0].layout, fused.views[0].luma.dtype
    lies = _Plane.of(layout, number, color)
    planes = [frames[view.number].planes[number].to(dtype) / layout.peak for view in fused.views]
    if layout.is_float:
        planes = [torch.nan_to_num(plane).clamp(0, 1) for plane in planes]
    whole = planes[0].new_zeros((region.height, region.width))
    for part in fused.parts:
        y, x = torch.meshgrid(
            torch.arange(part.canvas.part.y, part.canvas.part.bottom, dtype=torch.float64),
            torch.arange(part.canvas.part.x, part.canvas.part.right, dtype=torch.float64),
            indexing="ij",
        )
        own = lies.read(planes[fused.reference], x, y)
        laid = []
        confidences = confidences_at(fused, part, x, y)
        for view, plane, confidence in zip(fused.views, planes, confidences, strict=True):
            values = lies.read(plane, *move_points(view.motion, x, y))
            if lies.follows_brightness:
                values = values * view.gain + view.offset
            laid.append(torch.where(confidence > _RELIABLE, values, own))
        place = part.canvas.part
        rows, cols = (
            slice(place.y - region.y, place.bottom - region.y),
            slice(place.x - region.x, place.right - region.x),
        )
        whole[rows, cols] = torch.stack(laid).median(0).values
    return whole
