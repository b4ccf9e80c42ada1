"""Frames as a browser shows them: 8-bit sRGB, the right way up. For looking at, never for results.

Matrix and range are the stream's own. SDR transfer functions are taken as the display's, as players do. PQ and HLG,
which no plain image format carries, are brought to SDR: diffuse white (203 cd/m², ITU-R BT.2408) becomes a bright
grey, and what is brighter is compressed above it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.convert import OutputFormat, quantise
from vsr.media.hdr import DisplayTransform
from vsr.media.layouts import LAYOUTS
from vsr.media.planes import frame_layout, planes_of
from vsr.observation.resample import resample

__all__ = ["Box", "Frame", "cut", "displayed", "is_tone_mapped", "resized", "shown", "upright"]

Image = NDArray[np.uint8]

Frame = av.VideoFrame
"""A decoded frame, for who only hands it on."""

_PQ, _HLG, _LINEAR = 16, 18, 8
_WIDE_GAMUT = 9
_WHITE = 203.0
_HLG_PEAK = 1000.0
_KNEE = 0.5
_GAMMA = 2.2
_BT2020_TO_BT709 = (  # ITU-R BT.2087
    (1.6605, -0.5876, -0.0728),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1187),
)


def is_tone_mapped(color: ColorSpec) -> bool:
    """Whether images of ``color`` are shown with compressed highlights."""
    return color.transfer in (_PQ, _HLG)


@dataclass(frozen=True)
class Box:
    """A part of an image, in luma samples; its top and left are multiples of 4, so that chroma can be cut, too."""

    top: int
    left: int
    height: int
    width: int


def displayed(frame: av.VideoFrame, color: ColorSpec, box: Box | None = None) -> Image:
    """``frame`` (or a part of it) as ``(H, W, 3)`` uint8 sRGB, as coded: neither turned nor stretched."""
    planes = tuple(torch.from_numpy(plane) for plane in planes_of(frame))
    image = VideoFrame(planes, frame_layout(frame), color, 0, 0, Fraction(1))
    return shown(image if box is None else cut(image, box))


def cut(image: VideoFrame, box: Box) -> VideoFrame:
    """The part ``box`` of an image."""
    layout = image.layout
    parts = []
    for number, plane in enumerate(image.planes):
        is_coarse = layout.is_chroma(number) and plane.shape != image.planes[0].shape  # restored chroma may be fine
        height, width = layout.plane_size(number if is_coarse else 0, box.width, box.height)
        top, left = box.top, box.left
        if is_coarse:
            top, left = top >> layout.chroma_shift_y, left >> layout.chroma_shift_x
        parts.append(plane[top : top + height, left : left + width].contiguous())
    return replace(image, planes=tuple(parts))


def shown(image: VideoFrame) -> Image:
    """A decoded or restored image as ``(H, W, 3)`` uint8 sRGB, as coded: neither turned nor stretched."""
    color = image.color
    target = OutputFormat(LAYOUTS["gbrpf32le"], ColorSpec(color.primaries, color.transfer, 0, True))
    rgb = torch.stack([torch.from_numpy(np.asarray(plane, np.float32)) for plane in quantise(image, target)[:3]])
    if is_tone_mapped(color) or color.primaries == _WIDE_GAMUT or color.transfer == _LINEAR:
        rgb = _to_sdr(rgb.clamp(min=0.0), color)
    codes = (rgb.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(codes.permute(1, 2, 0).numpy())


def _to_sdr(rgb: Tensor, color: ColorSpec) -> Tensor:
    """``(3, H, W)`` signal in 0…1 → BT.709 signal in 0…1."""
    linear = _light(rgb, color.transfer)
    if color.primaries == _WIDE_GAMUT:
        linear = torch.einsum("ij,jhw->ihw", torch.tensor(_BT2020_TO_BT709), linear).clamp(min=0.0)
    if is_tone_mapped(color):
        brightest = linear.amax(0).clamp(min=1e-6)
        over = (brightest - _KNEE).clamp(min=0.0)
        mapped = torch.minimum(brightest, torch.tensor(_KNEE)) + (1 - _KNEE) * -torch.expm1(-over / (1 - _KNEE))
        linear = linear * (mapped / brightest)
    return linear.clamp(0, 1).pow(1 / _GAMMA)


def _light(rgb: Tensor, transfer: int) -> Tensor:
    """Light of the display, 1 = diffuse white."""
    if transfer == _PQ:  # SMPTE ST 2084
        root = rgb.clamp(max=1.0).pow(1 / 78.84375)
        ratio = (root - 0.8359375).clamp(min=0.0) / (18.8515625 - 18.6875 * root)
        return ratio.pow(1 / 0.1593017578125) * (10_000 / _WHITE)
    if transfer == _HLG:  # ITU-R BT.2100, system gamma 1.2
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = torch.where(rgb <= 0.5, rgb * rgb / 3, (torch.exp((rgb - c) / a) + b) / 12)
        luminance = 0.2627 * scene[0] + 0.678 * scene[1] + 0.0593 * scene[2]
        return scene * luminance.clamp(min=1e-9).pow(0.2) * (_HLG_PEAK / _WHITE)
    return rgb if transfer == _LINEAR else rgb.pow(_GAMMA)


def upright(image: Image, display: DisplayTransform) -> Image:
    """``image`` turned, by whole quarter turns, and then mirrored, as players do."""
    turned = np.rot90(image, round(display.rotation / 90))
    return np.ascontiguousarray(turned[:, ::-1] if display.mirrored else turned)


def resized(image: Image, height: int, width: int) -> Image:
    """``(H, W, 3)`` uint8 at another size, by Keys' cubic, antialiased where it shrinks."""
    if image.shape[:2] == (height, width):
        return image
    planes = torch.from_numpy(image).permute(2, 0, 1)
    codes = resample(planes, (height, width), kernel="bicubic").round_().clamp_(0, 255).to(torch.uint8)
    return codes.permute(1, 2, 0).contiguous().numpy()
