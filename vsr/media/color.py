"""Colour tags: read, completed by stated assumptions, and named for ffmpeg."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from vsr.frames import ChromaLocation, ColorSpec, PixelLayout

if TYPE_CHECKING:
    import av
    from av.video.codeccontext import VideoCodecContext

__all__ = [
    "COLOR_NAMES",
    "UNTAGGED",
    "ColorTags",
    "chroma_location",
    "color_from_tags",
    "color_tags",
    "complete_color",
    "luma_weights",
]


class ColorTags(NamedTuple):
    """What a frame says of its colours."""

    primaries: int
    """Of ITU-T H.273, as are the next two."""
    transfer: int
    matrix: int
    range: int
    """FFmpeg's: 2 is full, 1 video range, 0 untagged."""


UNTAGGED = ColorTags(2, 2, 2, 0)

COLOR_NAMES: dict[str, dict[int, str]] = {
    "primaries": {
        1: "bt709",
        4: "bt470m",
        5: "bt470bg",
        6: "smpte170m",
        7: "smpte240m",
        8: "film",
        9: "bt2020",
        10: "smpte428",
        11: "smpte431",
        12: "smpte432",
        22: "jedec-p22",
    },
    "transfer": {
        1: "bt709",
        4: "gamma22",
        5: "gamma28",
        6: "smpte170m",
        7: "smpte240m",
        8: "linear",
        9: "log100",
        10: "log316",
        11: "iec61966-2-4",
        12: "bt1361e",
        13: "iec61966-2-1",
        14: "bt2020-10",
        15: "bt2020-12",
        16: "smpte2084",
        17: "smpte428",
        18: "arib-std-b67",
    },
    "matrix": {
        0: "rgb",
        1: "bt709",
        4: "fcc",
        5: "bt470bg",
        6: "smpte170m",
        7: "smpte240m",
        8: "ycgco",
        9: "bt2020nc",
        10: "bt2020c",
        12: "chroma-derived-nc",
        13: "chroma-derived-c",
        14: "ictcp",
    },
}
"""ITU-T H.273 codes and the names that ffmpeg's options take."""

_PLACES: tuple[ChromaLocation, ...] = ("topleft", "bottomleft", "left", "center", "top", "bottom")
_UNSPECIFIED = (2, 3, 0)
_CENTRED = ("mjpeg", "mpeg1video", "jpeg2000", "gif", "png")
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087)}


def luma_weights(matrix: int) -> tuple[float, float]:
    """``(Kr, Kb)`` of a matrix code; BT.2020 for 9 and 10, BT.709 for codes without constants."""
    return (0.2627, 0.0593) if matrix in (9, 10) else _WEIGHTS.get(matrix, (0.2126, 0.0722))


def color_tags(of: av.VideoFrame | VideoCodecContext) -> ColorTags:
    """What a frame, or its decoder, says of its colours."""
    return ColorTags(int(of.color_primaries), int(of.color_trc), int(of.colorspace), int(of.color_range))


def color_from_tags(tags: ColorTags, pix_fmt: str, location: ChromaLocation) -> ColorSpec:
    """The tags of a frame in FFmpeg's format ``pix_fmt`` as a colour specification, not yet completed."""
    primaries, transfer, matrix, range_ = tags
    return ColorSpec(primaries, transfer, matrix, range_ == 2 or pix_fmt.startswith("yuvj"), location)


def complete_color(
    color: ColorSpec, layout: PixelLayout, codec: str, width: int, height: int, *, known: Collection[str] = ()
) -> tuple[ColorSpec, tuple[str, ...]]:
    """Fill what the stream leaves untagged; returns the spec and one sentence for each assumption.

    YUV up to 1024×576 is taken as BT.601 (525 or 625 lines), larger as BT.709: what players do with the source, and
    what they would no longer do with an upscaled copy if it stayed untagged. Grey goes by the same rule; RGB is taken
    as sRGB, float formats as linear light. Of ``primaries`` and ``transfer``,
    what is named in ``known`` is known to have no code where it is untagged.
    """
    found: list[str] = []
    primaries, transfer, matrix, what = _assume_matrix(color.matrix, layout, width, height)
    untagged = []
    if color.primaries in _UNSPECIFIED and "primaries" not in known:
        color = replace(color, primaries=primaries)
        untagged.append("primaries")
    if color.transfer in _UNSPECIFIED and "transfer" not in known:
        color = replace(color, transfer=transfer)
        untagged.append("transfer")
    if layout.family == "rgb":
        color = replace(color, matrix=0, full_range=True)
    elif color.matrix in _UNSPECIFIED:
        color = replace(color, matrix=matrix)
        untagged.append("matrix")
    if untagged:
        found.append(f"colour {', '.join(untagged)} not tagged: taken as {what}")
    subsampled = layout.family == "yuv" and (layout.chroma_shift_x or layout.chroma_shift_y)
    if subsampled and color.chroma_location == "unspecified":
        place: ChromaLocation = "center" if codec.startswith(_CENTRED) else "left"
        color = replace(color, chroma_location=place)
        found.append(f"chroma location not tagged: taken as {place}")
    return color, tuple(found)


def _assume_matrix(matrix: int, layout: PixelLayout, width: int, height: int) -> tuple[int, int, int, str]:
    """Primaries, transfer, matrix and name of the colour space that an untagged stream is taken as."""
    if layout.is_float:
        return 1, 8, 0, "linear BT.709"
    if layout.family == "rgb":
        return 1, 13, 0, "sRGB"
    if matrix in (9, 10):
        return 9, 14, matrix, "BT.2020"
    small = height <= 576 and width <= 1024
    if matrix in (5, 6) or (matrix != 1 and small):
        lines_625 = height in (576, 288) if matrix not in (5, 6) else matrix == 5
        return (5, 6, 5, "BT.601 (625)") if lines_625 else (6, 6, 6, "BT.601 (525)")
    return 1, 1, 1, "BT.709"


def chroma_location(description: str) -> ChromaLocation:
    """Chroma siting in ffmpeg's description of a video stream (PyAV does not expose it)."""
    for place in _PLACES:
        if re.search(rf"\([^()]*\b{place}\)", description):
            return place
    return "unspecified"
