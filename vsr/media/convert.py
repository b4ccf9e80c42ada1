"""From restored planes to what an encoder takes: family, siting, depth, rounding, dither.

The restorer hands over unrounded code values. Here, and only here, they become integers of the output layout.
Keeping a layout only rounds. Widening (more bits, fuller chroma, grey to neutral chroma) loses nothing. Narrowing
is done when the user names a narrower format, with an ordered dither where bits are given up.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.media.color import luma_weights
from vsr.observation.resample import resample

__all__ = [
    "LUMA_GRID",
    "OutputFormat",
    "chroma_grid",
    "code_range",
    "quantise",
    "regrid",
    "to_rgb",
    "to_yuv",
]


@dataclass(frozen=True)
class OutputFormat:
    """What the encoder is given."""

    layout: PixelLayout
    color: ColorSpec


def quantise(frame: VideoFrame, target: OutputFormat) -> tuple[NDArray[np.generic], ...]:
    """The planes of ``frame`` as contiguous arrays in ``target``'s layout: converted, rounded and clipped.

    Planes come in as ``float32``, ``float64`` or integer code values of ``frame.layout`` and ``frame.color``.
    """
    planes = [plane if plane.dtype == torch.float64 else plane.to(torch.float32) for plane in frame.planes]
    if frame.layout.has_alpha:
        alpha: Tensor | None = planes.pop() / frame.layout.peak
    else:
        alpha = None
    same_code = (
        frame.layout.family == target.layout.family
        and frame.layout.bit_depth == target.layout.bit_depth
        and frame.layout.is_float == target.layout.is_float
        and frame.color.full_range == target.color.full_range
        and frame.color.matrix == target.color.matrix
    )
    if not same_code:
        planes = _recode(planes, frame, target)
    planes = _resite(planes, frame, target)
    if target.layout.has_alpha:
        opaque = torch.ones_like(planes[0]) if alpha is None else alpha
        planes.append(opaque * target.layout.peak)
    dither = not target.layout.is_float and (frame.layout.is_float or target.layout.bit_depth < frame.layout.bit_depth)
    return tuple(_round(plane, target.layout, dither) for plane in planes)


def code_range(layout: PixelLayout, full_range: bool, chroma: bool) -> tuple[float, float]:
    """``(offset, span)`` of nominal 0…1 (−0.5…0.5 for chroma) in code values."""
    if layout.is_float:
        return 0.0, 1.0
    step = 2.0 ** (layout.bit_depth - 8)
    if full_range:
        return (128 * step if chroma else 0.0), layout.peak
    return (128 * step, 224 * step) if chroma else (16 * step, 219 * step)


def _recode(planes: list[Tensor], frame: VideoFrame, target: OutputFormat) -> list[Tensor]:
    """Change of family, matrix, range or depth; full-size chroma where the family changes."""
    source, layout = frame.layout, target.layout
    unit = []
    for index, plane in enumerate(planes):
        offset, span = code_range(source, frame.color.full_range, source.is_chroma(index))
        unit.append((plane - offset) / span)
    keeps_matrix = frame.color.matrix == target.color.matrix and source.family == layout.family
    if source.family == "gray" and layout.family == "yuv":
        unit += [torch.zeros_like(unit[0]), torch.zeros_like(unit[0])]
    elif source.family == "gray" and layout.family == "rgb":
        unit = [unit[0]] * 3
    elif not keeps_matrix:
        rgb = unit
        if source.family == "yuv":
            unit[1:] = [regrid(c, unit[0], source, LUMA_GRID, frame.color, frame.color) for c in unit[1:]]
            rgb = to_rgb(unit, frame.color.matrix)
        unit = rgb if layout.family == "rgb" else to_yuv(rgb, target.color.matrix)
        if layout.family == "gray":
            unit = unit[:1]
    out = []
    for index, plane in enumerate(unit):
        offset, span = code_range(layout, target.color.full_range, layout.is_chroma(index))
        out.append(plane * span + offset)
    return out


def to_rgb(yuv: Sequence[Tensor], matrix: int) -> list[Tensor]:
    """R, G, B of one size from Y (0…1) and Cb, Cr (−0.5…0.5), by an H.273 matrix code; nothing is clipped."""
    kr, kb = luma_weights(matrix)
    y, cb, cr = yuv
    red = y + 2 * (1 - kr) * cr
    blue = y + 2 * (1 - kb) * cb
    return [red, (y - kr * red - kb * blue) / (1 - kr - kb), blue]


def to_yuv(rgb: Sequence[Tensor], matrix: int) -> list[Tensor]:
    """The inverse of `to_rgb`."""
    kr, kb = luma_weights(matrix)
    red, green, blue = rgb
    y = kr * red + (1 - kr - kb) * green + kb * blue
    return [y, (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))]


LUMA_GRID = PixelLayout("luma grid", "yuv", 8)
"""Chroma on the luma's own samples."""


def _resite(planes: list[Tensor], frame: VideoFrame, target: OutputFormat) -> list[Tensor]:
    """Chroma planes brought to the target's subsampling; where that is unchanged they pass as they are."""
    if target.layout.family != "yuv":
        return planes
    on_luma_grid = tuple(planes[1].shape) == tuple(planes[0].shape)
    source = LUMA_GRID if frame.layout.family != "yuv" or on_luma_grid else frame.layout
    return planes[:1] + [regrid(c, planes[0], source, target.layout, frame.color, target.color) for c in planes[1:]]


def chroma_grid(
    size_yx: tuple[int, int], source: PixelLayout, target: PixelLayout, before: ColorSpec, after: ColorSpec
) -> tuple[tuple[int, int], tuple[float, float], tuple[float, float]]:
    """``(size_yx, scale_yx, offset_yx)`` for `resample`: from the chroma sites of ``source`` to those of ``target``.

    The given ``size_yx`` is the luma's, which both have.
    """
    shifts = (source.chroma_shift_y - target.chroma_shift_y, source.chroma_shift_x - target.chroma_shift_x)
    sites_in = source.siting_offset(before.chroma_location)[::-1]
    sites_out = target.siting_offset(after.chroma_location)[::-1]
    scale = (2.0 ** shifts[0], 2.0 ** shifts[1])
    # resample() takes one offset for both grids: the one that puts the output samples where they belong
    offset = tuple(
        (out / s - inside) / (1 / s - 1) if s != 1 else 0.0
        for s, inside, out in zip(scale, sites_in, sites_out, strict=True)
    )
    return target.plane_size(1, size_yx[1], size_yx[0]), scale, (offset[0], offset[1])


def regrid(
    plane: Tensor, luma: Tensor, source: PixelLayout, target: PixelLayout, before: ColorSpec, after: ColorSpec
) -> Tensor:
    """One chroma plane from the sites of ``source`` to those of ``target``, per axis where they differ."""
    luma_size = (int(luma.shape[0]), int(luma.shape[1]))
    size, scale, offset = chroma_grid(luma_size, source, target, before, after)
    if scale == (1.0, 1.0):
        return plane
    return resample(plane, size, kernel="bicubic", scale_yx=scale, offset_yx=offset)


_STRIP_SAMPLES = 1 << 24  # rounded at a time


@functools.cache
def _bayer() -> NDArray[np.float32]:
    """8×8 ordered-dither thresholds in (−0.5, 0.5) (Bayer 1973)."""
    matrix = np.zeros((1, 1))
    for _ in range(3):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return ((matrix + 0.5) / 64 - 0.5).astype(np.float32)


def _round(plane: Tensor, layout: PixelLayout, dither: bool) -> NDArray[np.generic]:
    if layout.is_float:
        return np.ascontiguousarray(plane.cpu().numpy())
    height, width = plane.shape
    strip = max(8, _STRIP_SAMPLES // width // 8 * 8)  # of rows: whole periods of the dither
    if height <= strip:
        return _round_rows(plane, layout, dither)
    return np.concatenate([_round_rows(plane[row : row + strip], layout, dither) for row in range(0, height, strip)])


def _round_rows(plane: Tensor, layout: PixelLayout, dither: bool) -> NDArray[np.generic]:
    if dither:
        height, width = plane.shape
        pattern = np.tile(_bayer(), (-(-height // 8), -(-width // 8)))[:height, :width]
        plane = plane + torch.from_numpy(pattern).to(plane.device)
    whole = plane.round().clamp_(0, layout.peak).cpu()
    return (
        whole.to(torch.uint8 if layout.bit_depth <= 8 else torch.int32)
        .numpy()
        .astype(np.uint8 if layout.bit_depth <= 8 else np.uint16, copy=False)
    )
