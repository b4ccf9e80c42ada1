"""What frames carry beside their samples: HDR10 static metadata, the display matrix, captions, and what is lost."""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from vsr.media.side_data import SideData

__all__ = [
    "ContentLight",
    "DisplayTransform",
    "MasteringDisplay",
    "display_transform",
    "find_lost_side_data",
    "has_captions",
    "read_hdr",
]

_CHROMATICITY = 50000
_LUMINANCE = 10000


@dataclass(frozen=True)
class MasteringDisplay:
    """SMPTE ST 2086: the display an image was graded on."""

    primaries: tuple[tuple[Fraction, Fraction], ...]
    """CIE xy of red, green and blue."""
    white_point: tuple[Fraction, Fraction]
    """CIE xy."""
    max_luminance: Fraction
    """cd/m²."""
    min_luminance: Fraction
    """cd/m²."""

    def x265(self) -> str:
        """``G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)`` in 0.00002 and 0.0001 cd/m², as x264, x265 and ffmpeg take it."""
        red, green, blue = (self._xy(point, _CHROMATICITY) for point in self.primaries)
        white = self._xy(self.white_point, _CHROMATICITY)
        light = f"{round(self.max_luminance * _LUMINANCE)},{round(self.min_luminance * _LUMINANCE)}"
        return f"G({green})B({blue})R({red})WP({white})L({light})"

    def svt(self) -> str:
        """The same in SVT-AV1's decimal notation."""
        red, green, blue = (f"{float(x):.5f},{float(y):.5f}" for x, y in self.primaries)
        white = ",".join(f"{float(value):.5f}" for value in self.white_point)
        light = f"{float(self.max_luminance):.4f},{float(self.min_luminance):.4f}"
        return f"G({green})B({blue})R({red})WP({white})L({light})"

    @staticmethod
    def _xy(point: tuple[Fraction, Fraction], unit: int) -> str:
        return f"{round(point[0] * unit)},{round(point[1] * unit)}"


@dataclass(frozen=True)
class ContentLight:
    """CTA-861.3 content light level, cd/m²."""

    max_cll: int
    """Brightest pixel."""
    max_fall: int
    """Brightest frame average."""

    def __str__(self) -> str:
        return f"{self.max_cll},{self.max_fall}"


@dataclass(frozen=True)
class DisplayTransform:
    """How a player turns the coded frame before showing it."""

    rotation: float = 0.0
    """Degrees counter-clockwise."""
    mirrored: bool = False
    """Whether the image, once turned, is mirrored left to right."""

    def __bool__(self) -> bool:
        return bool(self.rotation) or self.mirrored

    @property
    def is_sideways(self) -> bool:
        """Whether the image's width is shown as its height."""
        return round(self.rotation / 90) % 2 == 1


def read_hdr(items: Iterable[SideData]) -> tuple[MasteringDisplay | None, ContentLight | None, tuple[str, ...]]:
    """Static HDR metadata among a frame's side data, and the names of dynamic metadata that cannot be kept."""
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    dropped = []
    for item in items:
        name = item.kind
        if name == "MASTERING_DISPLAY_METADATA":
            mastering = _mastering(item.data) or mastering
        elif name == "CONTENT_LIGHT_LEVEL":
            light = ContentLight(*struct.unpack_from("=2I", item.data))
        elif name.startswith("DOVI"):
            dropped.append("Dolby Vision")
        elif name in ("DYNAMIC_HDR_PLUS", "DYNAMIC_HDR_SMPTE_2094_APP5"):
            dropped.append("HDR10+")
        elif name == "DYNAMIC_HDR_VIVID":
            dropped.append("HDR Vivid")
    return mastering, light, tuple(sorted(set(dropped)))


def _mastering(raw: bytes) -> MasteringDisplay | None:
    *numbers, has_primaries, has_luminance = struct.unpack_from("=20i2i", raw)
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    ratios = [Fraction(top, bottom) if bottom else Fraction(0) for top, bottom in pairs]
    if not (has_primaries and has_luminance):
        return None
    red, green, blue, white = ((ratios[i], ratios[i + 1]) for i in (0, 2, 4, 6))
    return MasteringDisplay((red, green, blue), white, max_luminance=ratios[9], min_luminance=ratios[8])


def display_transform(items: Iterable[SideData]) -> DisplayTransform:
    """Rotation and mirroring that a frame's display matrix asks for; the identity where it has none."""
    for item in items:
        if item.kind != "DISPLAYMATRIX":
            continue
        a, b, _, c, d, _, *_ = struct.unpack_from("=9i", item.data)
        mirrored = a * d - b * c < 0
        if mirrored:
            a, c = -a, -c
        rotation = -math.degrees(math.atan2(b / (math.hypot(b, d) or 1), a / (math.hypot(a, c) or 1)))
        return DisplayTransform(round(rotation, 3) + 0.0, mirrored)
    return DisplayTransform()


def has_captions(items: Iterable[SideData]) -> bool:
    """Whether a frame carries closed captions (EIA-608 or EIA-708, as ATSC A/53 puts them into the video)."""
    return any(item.kind == "A53_CC" for item in items)


_PARTS_OF_OLD_FRAMES = {
    "AFD": "active format description",
    "AMBIENT_VIEWING_ENVIRONMENT": "ambient viewing environment",
    "FFMPEG_28": "LCEVC enhancement layer",
    "FFMPEG_29": "other views of a multi-view stream",
}
_ENCODERS_OWN = (  # UUIDs under which encoders write their settings: x264, x265, Apple's
    bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"),
    bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e"),
    bytes.fromhex("47564adc5c4c433f94efc5113cd143a8"),
)
_UUID_BYTES = 16
_EXIF = "FFMPEG_31"
_EXIF_OF_CAMERAS = frozenset((0x010F, 0x0110, 0x0132, 0x8769, 0x8825))  # make, model, date, camera's own, place
_EXIF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def find_lost_side_data(items: Sequence[SideData], kept_tags: Collection[int] = ()) -> set[str]:
    """What of a frame's side data new frames lose that no other field of `VideoInfo` tells, in words.

    ``kept_tags`` are numbers of EXIF that do not count.
    """
    lost = {_PARTS_OF_OLD_FRAMES[item.kind] for item in items if item.kind in _PARTS_OF_OLD_FRAMES}
    for item in items:
        if item.kind == "SEI_UNREGISTERED" and item.data[:_UUID_BYTES] not in _ENCODERS_OWN:
            lost.add(f"user data in SEI messages ({item.data[:_UUID_BYTES].hex()})")
        elif item.kind == _EXIF and _exif_tags(item.data) & _EXIF_OF_CAMERAS.difference(kept_tags):
            lost.add("EXIF (camera, date, place)")
    return lost


def _exif_tags(data: bytes) -> set[int]:
    """The tags of the first directory. Of TIFF images FFmpeg gives all that the file has, sizes and strips too."""
    order = _EXIF_ORDERS.get(data[:4])
    if order is None or len(data) < 10:
        return set()
    [place] = struct.unpack_from(order + "I", data, 4)
    if place + 2 > len(data):
        return set()
    [count] = struct.unpack_from(order + "H", data, place)
    entries = range(place + 2, min(place + 2 + 12 * count, len(data) - 11), 12)
    return {struct.unpack_from(order + "H", data, entry)[0] for entry in entries}
