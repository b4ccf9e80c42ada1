"""What the header of an OpenEXR image says beside its samples: primaries, timecode, camera, and anything else.

FFmpeg's decoder passes most of it over and its encoder writes none. What describes the file itself (channels, windows,
compression) belongs to each file; all other attributes go on as they are.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

__all__ = ["EXR_MAGIC", "ExrHeader", "read_exr_header", "with_exr_attributes"]

EXR_MAGIC = b"\x76\x2f\x31\x01"
_MOST_BYTES = 4 << 20
_OF_THE_FILE = frozenset(
    (
        *("channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio", "preview"),
        *("screenWindowCenter", "screenWindowWidth", "tiles", "name", "type", "version", "chunkCount", "view"),
        *(
            "multiView",
            "maxSamplesPerPixel",
            "dwaCompressionLevel",
            "framesPerSecond",
            "gamma",
            "software",
            "comments",
            "writer",
        ),
    )
)
_PRIMARIES: dict[tuple[int, ...], int] = {  # x and y of red, green, blue and white, in thousandths
    (640, 330, 300, 600, 150, 60, 313, 329): 1,
    (708, 292, 170, 797, 131, 46, 313, 329): 9,
    (680, 320, 265, 690, 150, 60, 314, 351): 11,
    (680, 320, 265, 690, 150, 60, 313, 329): 12,
}
_UNSPECIFIED = 2

Attribute = tuple[str, str, bytes]
"""Name, type and value."""


@dataclass(frozen=True)
class ExrHeader:
    """The attributes that are kept, in the file's order."""

    attributes: tuple[Attribute, ...]

    @property
    def primaries(self) -> int | None:
        """H.273 code of the chromaticities; 2 for those that have none; None where the file says nothing."""
        value = self._value("chromaticities", 32)
        if value is None:
            return None
        points = struct.unpack("<8f", value)
        known = tuple(round(1000 * part) for part in points) if all(map(math.isfinite, points)) else ()
        return _PRIMARIES.get(known, _UNSPECIFIED)

    @property
    def timecode(self) -> str | None:
        """``HH:MM:SS:FF``, with ``;`` ahead of dropped frames."""
        value = self._value("timeCode", 8)
        if value is None:
            return None
        [word] = struct.unpack("<I", value[:4])
        hours, minutes, seconds, frames = (
            word >> shift & mask for shift, mask in ((24, 63), (16, 127), (8, 127), (0, 63))
        )
        if any(part & 15 > 9 for part in (hours, minutes, seconds, frames)):
            return None
        return f"{hours:02x}:{minutes:02x}:{seconds:02x}{';' if word & 64 else ':'}{frames:02x}"

    def _value(self, name: str, size: int) -> bytes | None:
        return next((value for key, _, value in self.attributes if key == name and len(value) == size), None)

    def in_words(self) -> list[str]:
        """What is said that no other format keeps."""
        names = [name for name, _, _ in self.attributes if name != "timeCode"]
        return [f"attributes {', '.join(names)}"] if names else []


def _parse(data: bytes) -> tuple[list[Attribute], int]:
    """The attributes of a header, and where it ends. Raises ValueError where it is cut short."""
    found, place = [], 8
    while data[place] != 0:
        words = []
        for _ in ("name", "type"):
            end = data.index(b"\0", place)
            words.append(data[place:end].decode("latin-1"))
            place = end + 1
        [size] = struct.unpack_from("<I", data, place)
        place += 4 + size
        if place >= len(data):
            raise ValueError("an attribute runs past the end")
        found.append((words[0], words[1], data[place - size : place]))
    return found, place


def read_exr_header(path: Path) -> ExrHeader | None:
    """The header of the image at ``path``; None where it is no OpenEXR file, or has no whole header."""
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES)
    if not data.startswith(EXR_MAGIC):
        return None
    try:
        found, _ = _parse(data)
    except (ValueError, IndexError, struct.error):  # the decoder has the last word on such a file
        return None
    return ExrHeader(tuple(attribute for attribute in found if attribute[0] not in _OF_THE_FILE))


def with_exr_attributes(image: bytes, attributes: tuple[Attribute, ...]) -> bytes:
    """``image`` with ``attributes`` at the end of its header, but for those that it has; offsets move with them."""
    there, end = _parse(image)
    names = {name for name, _, _ in there}
    added = b"".join(
        f"{name}\0{kind}\0".encode("latin-1") + struct.pack("<I", len(value)) + value
        for name, kind, value in attributes
        if name not in names
    )
    table = end + 1
    [first] = struct.unpack_from("<Q", image, table)
    places = struct.unpack_from(f"<{(first - table) // 8}Q", image, table)
    moved = struct.pack(f"<{len(places)}Q", *(offset + len(added) for offset in places))
    return image[:end] + added + b"\0" + moved + image[first:]
