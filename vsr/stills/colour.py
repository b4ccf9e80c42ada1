"""The colours of a still: fused from all frames as the luma is, and sharpened by following it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.media.grabbing import Grabbed
from vsr.media.layouts import LAYOUTS
from vsr.observation import resample
from vsr.registration import sample_bicubic
from vsr.restorers.chroma import guided_detail
from vsr.stills.boxes import Box, points_moved
from vsr.stills.canvas import View

__all__ = ["coloured", "luma_of"]

_LUMA_OF_RGB = (0.299, 0.587, 0.114)
_ROWS = 128  # of the region, fused at a time


def luma_of(grabbed: Grabbed, dtype: torch.dtype) -> Tensor:
    """The luma of a frame, ``(h, w)``: code values over the peak, float formats cut off at 0 and 1."""
    planes = [plane.to(dtype) / grabbed.layout.peak for plane in grabbed.planes]
    if grabbed.layout.family == "rgb":
        luma = sum((plane * weight for plane, weight in zip(planes, _LUMA_OF_RGB, strict=False)), torch.zeros(()))
    else:
        luma = planes[0]
    return torch.nan_to_num(luma).clamp(0, 1) if grabbed.layout.is_float else luma


def coloured(
    picture: Tensor,
    frames: Sequence[Grabbed],
    views: Sequence[View],
    region: Box,
    scale: float,
    color: ColorSpec,
    noise_sigma: float,
) -> VideoFrame:
    """The fused luma ``picture`` ``(H, W)``, 0…1, of ``region`` with the colours of the frames.

    ``views`` name frames by their place in ``frames``. Every other plane is the median of all frames laid on the
    reference, plus the luma's detail as far as it follows the luma (`vsr.restorers.chroma`). No alpha. Planes are
    full-size code values, unrounded; their layout is the source's with full chroma.
    """
    layout = frames[0].layout
    size = (int(picture.shape[0]), int(picture.shape[1]))
    low = resample(picture, (region.height, region.width), kernel="bicubic", scale_yx=(1 / scale, 1 / scale))
    plain = resample(low, size, kernel="bicubic", scale_yx=(scale, scale))
    planes = [picture] if layout.family != "rgb" else []
    for number in range(len(planes), {"gray": 1, "yuv": 3, "rgb": 3}[layout.family]):
        fused = _median(number, frames, views, region, color)
        detail = guided_detail(fused, low, picture - plain, noise_sigma)
        planes.append(resample(fused, size, kernel="bicubic", scale_yx=(scale, scale)) + detail)
    codes = tuple(plane * layout.peak for plane in planes)
    return VideoFrame(codes, _full_chroma(layout), color, 0, 0, Fraction(1))


def _full_chroma(layout: PixelLayout) -> PixelLayout:
    stem = {"gray": "gray", "yuv": "yuv444p", "rgb": "gbrp"}[layout.family]
    if layout.is_float:
        return LAYOUTS[f"{stem}f32le"]
    return LAYOUTS[stem if layout.bit_depth == 8 else f"{stem}{layout.bit_depth}le"]


def _median(number: int, frames: Sequence[Grabbed], views: Sequence[View], region: Box, color: ColorSpec) -> Tensor:
    """Plane ``number`` of all views on the reference's luma samples within ``region``, their median, 0…1."""
    layout, dtype = frames[0].layout, views[0].luma.dtype
    is_chroma = layout.is_chroma(number)
    siting_x, siting_y = layout.siting_offset(color.chroma_location) if is_chroma else (0.0, 0.0)
    block_x, block_y = (1 << layout.chroma_shift_x, 1 << layout.chroma_shift_y) if is_chroma else (1, 1)
    planes = [frames[view.number].planes[number].to(dtype)[None] / layout.peak for view in views]
    if layout.is_float:
        planes = [torch.nan_to_num(plane).clamp(0, 1) for plane in planes]
    strips = []
    for top in range(region.y, region.bottom, _ROWS):
        y, x = torch.meshgrid(
            torch.arange(top, min(top + _ROWS, region.bottom), dtype=torch.float64),
            torch.arange(region.x, region.right, dtype=torch.float64),
            indexing="ij",
        )
        laid = []
        for view, plane in zip(views, planes, strict=True):
            to_x, to_y = points_moved(view.motion, x, y)
            rows = (to_y + 0.5) / block_y - 0.5 - siting_y
            cols = (to_x + 0.5) / block_x - 0.5 - siting_x
            laid.append(sample_bicubic(plane, rows.to(dtype), cols.to(dtype))[0])
        strips.append(torch.stack(laid).median(0).values)
    return torch.cat(strips)
