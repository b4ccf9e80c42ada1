"""FFmpeg's pixel formats and the planar layout that vsr works in for each.

Every format that holds YUV, RGB or grey samples maps to one planar, little-endian layout of the same depth
and subsampling, so the step from decoder to planes only re-arranges samples and never rounds.
"""

from __future__ import annotations

import re
from typing import Literal

from vsr.errors import InputError
from vsr.frames import PixelLayout

__all__ = ["LAYOUTS", "Change", "compare_layouts", "layout_for"]

Change = Literal["same", "wider", "narrower"]

_DEPTHS = (8, 9, 10, 12, 14, 16)
_SUBSAMPLINGS = {  # chroma shifts, depths without alpha, depths with alpha: what FFmpeg defines
    "420": ((1, 1), _DEPTHS, (8, 9, 10, 16)),
    "422": ((1, 0), _DEPTHS, (8, 9, 10, 12, 16)),
    "444": ((0, 0), _DEPTHS, (8, 9, 10, 12, 16)),
    "440": ((0, 1), (8, 10, 12), ()),
    "411": ((2, 0), (8,), ()),
    "410": ((2, 2), (8,), ()),
}


def _build() -> dict[str, PixelLayout]:
    table: dict[str, PixelLayout] = {}

    def add(stem: str, family: Literal["yuv", "rgb", "gray"], depth: int, shifts: tuple[int, int], alpha: bool) -> None:
        name = stem if depth == 8 else f"{stem}{depth}le"
        table[name] = PixelLayout(name, family, depth, *shifts, has_alpha=alpha)

    for digits, (shifts, depths, alpha_depths) in _SUBSAMPLINGS.items():
        for depth in depths:
            add(f"yuv{digits}p", "yuv", depth, shifts, False)
        for depth in alpha_depths:
            add(f"yuva{digits}p", "yuv", depth, shifts, True)
    for depth in _DEPTHS:
        add("gray", "gray", depth, (0, 0), False)
        add("gbrp", "rgb", depth, (0, 0), False)
        if depth != 9:
            add("gbrap", "rgb", depth, (0, 0), True)
    for name, alpha in (("gbrpf32le", False), ("gbrapf32le", True)):
        table[name] = PixelLayout(name, "rgb", 32, has_alpha=alpha, is_float=True)
    table["grayf32le"] = PixelLayout("grayf32le", "gray", 32, is_float=True)
    return table


LAYOUTS: dict[str, PixelLayout] = _build()
"""Planar layouts by FFmpeg name."""

_REARRANGED = {
    "yuv420p": ("nv12", "nv21"),
    "yuv422p": ("nv16", "yuyv422", "uyvy422", "yvyu422"),
    "yuv444p": ("nv24", "nv42"),
    "yuv411p": ("uyyvyy411",),
    "yuv420p10le": ("p010le", "p010be"),
    "yuv420p12le": ("p012le", "p012be"),
    "yuv420p16le": ("p016le", "p016be"),
    "yuv422p10le": ("p210le", "p210be", "y210le", "nv20le", "nv20be"),
    "yuv422p12le": ("p212le", "p212be", "y212le"),
    "yuv422p16le": ("p216le", "p216be"),
    "yuv444p10le": ("p410le", "p410be"),
    "yuv444p16le": ("p416le", "p416be"),
    "yuva444p": ("vuya", "ayuv"),
    "yuva444p16le": ("ayuv64le", "ayuv64be"),
    "gray": ("monow", "monob"),
    "gbrp": (
        *("rgb24", "bgr24", "0rgb", "rgb0", "bgr0", "0bgr", "rgb565le", "rgb565be", "rgb555le", "rgb555be"),
        *("bgr565le", "bgr555le", "rgb444le", "bgr444le", "rgb8", "bgr8", "rgb4_byte", "bgr4_byte"),
    ),
    "gbrap": ("rgba", "bgra", "argb", "abgr", "pal8", "ya8"),
    "gbrp10le": ("x2rgb10le", "x2bgr10le"),
    "gbrp16le": ("rgb48le", "rgb48be", "bgr48le", "bgr48be"),
    "gbrap16le": ("rgba64le", "rgba64be", "bgra64le", "bgra64be", "ya16le", "ya16be"),
    "gbrpf32le": ("gbrpf32be", "rgbf32le", "rgbf32be", "gbrpf16le", "rgbf16le"),
    "gbrapf32le": ("gbrapf32be", "gbrapf16le", "rgbaf16le"),
    "grayf32le": ("grayf32be", "grayf16le"),
}
_SAME_SAMPLES = {source: target for target, sources in _REARRANGED.items() for source in sources}


def layout_for(pix_fmt: str) -> PixelLayout:
    """The planar layout that holds exactly the samples of FFmpeg format ``pix_fmt``.

    Raises `InputError` for formats that are not images of YUV, RGB or grey samples (Bayer, XYZ, hardware).
    """
    name = _SAME_SAMPLES.get(pix_fmt, pix_fmt)
    name = re.sub(r"^yuvj", "yuv", name)
    name = re.sub(r"be$", "le", name)
    if name not in LAYOUTS:
        raise InputError(f"pixel format {pix_fmt!r} is not supported; convert the file to a YUV or RGB format")
    return LAYOUTS[name]


def compare_layouts(source: PixelLayout, target: PixelLayout) -> Change:
    """Whether ``target`` holds everything that ``source`` can: the same, more, or less."""
    if source == target:
        return "same"
    if source.family != target.family and source.family != "gray":
        # YUV to RGB rounds: with four bits more, or float, that is far below the source's own step
        fine = target.is_float or target.bit_depth >= min(16, source.bit_depth + 4)
        if (source.family, target.family) != ("yuv", "rgb") or not fine:
            return "narrower"
    if source.has_alpha and not target.has_alpha:
        return "narrower"
    if source.is_float and not target.is_float:
        return "narrower"
    if not target.is_float and target.bit_depth < source.bit_depth:
        return "narrower"
    if source.family == "yuv" and target.family == "yuv":
        coarser_x = target.chroma_shift_x > source.chroma_shift_x
        if coarser_x or target.chroma_shift_y > source.chroma_shift_y:
            return "narrower"
    return "wider"
