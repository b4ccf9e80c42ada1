"""ICC profiles inside images: found in PNG, TIFF, JPEG and WebP, and what becomes of them.

A profile says what the samples mean. vsr does not apply it: samples are restored as they are coded, so an image in the
same colour space takes the profile over unchanged. Profiles are read from the file, not from decoded frames
(`vsr.media.side_data` says why).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

__all__ = [
    "TIFF_TAG",
    "UNREADABLE",
    "IccProfile",
    "find_profile",
    "keep_profile",
    "profile_of_all",
    "profile_of_file",
    "why_dropped",
]

TIFF_TAG = 34675
"""Number of the tag of TIFF that holds a profile."""
_PNG = b"\x89PNG\r\n\x1a\n"
_TAKES = ("png", "tiff", "webp")
_SPACE, _SIGNATURE = slice(16, 20), slice(36, 40)  # in the header of a profile
_MOST_BYTES = 64 << 20
_FAMILIES = {"RGB": "rgb", "GRAY": "gray"}


@dataclass(frozen=True)
class IccProfile:
    """A profile."""

    name: str
    """As PNG calls it; elsewhere in words where it was."""
    space: str
    """``RGB``, ``GRAY``, ``CMYK`` and others; empty where the profile cannot be read."""
    profile: bytes
    """As it stands in the file."""


UNREADABLE = IccProfile("of the container", "", b"")
"""Stands for a profile that decoded frames have and that is in no place that is read here."""
_SEVERAL = IccProfile("not the same in all images", "", b"")


def profile_of_all(images: Sequence[Path]) -> IccProfile | None:
    """The profile of a sequence of images; one that stands for several where they differ."""
    found = {profile_of_file(path) for path in images}
    return found.pop() if len(found) == 1 else _SEVERAL


def profile_of_file(path: Path) -> IccProfile | None:
    """The profile in an image file; None where there is none. Only headers are read."""
    with path.open("rb") as file:
        return _read(file)


def find_profile(image: bytes) -> IccProfile | None:
    """The profile in an image file's bytes; None where there is none."""
    return _read(io.BytesIO(image))


def keep_profile(profile: IccProfile | None, codec: str, family: Literal["yuv", "rgb", "gray"]) -> IccProfile | None:
    """The profile that images of ``family`` written by ``codec`` take over; None where they cannot."""
    return profile if profile is not None and not why_dropped(profile, codec, family) else None


def why_dropped(profile: IccProfile, codec: str, family: Literal["yuv", "rgb", "gray"]) -> str:
    """Why images of ``family`` written by ``codec`` cannot take ``profile`` over; empty where they do."""
    if not profile.profile:
        return "it is not taken over"
    if codec not in _TAKES:
        return f"{codec} does not take it over; {', '.join(_TAKES[:-1])} and {_TAKES[-1]} images do"
    if _FAMILIES.get(profile.space) != family:
        return f"it is for {profile.space or 'unknown'} samples, these are {family}"
    return ""


def _read(file: IO[bytes]) -> IccProfile | None:
    head = file.read(8)
    try:
        if head == _PNG:
            return _in_png(file)
        if head[:4] in (b"II*\0", b"MM\0*"):
            return _in_tiff(file, "<" if head[:2] == b"II" else ">")
        if head[:3] == b"\xff\xd8\xff":
            return _in_jpeg(file)
        if head[:4] == b"RIFF":
            return _in_webp(file)
    except (struct.error, zlib.error, IndexError):  # cut short, or not what it seems: the decoder has the last word
        return None
    return None


def _profile(name: str, data: bytes) -> IccProfile | None:
    if len(data) < 128 or data[_SIGNATURE] != b"acsp":
        return None
    return IccProfile(name, data[_SPACE].decode("ascii", "replace").strip(), data)


def _in_webp(file: IO[bytes]) -> IccProfile | None:
    """It stands right behind the first chunk."""
    if file.read(8) != b"WEBPVP8X":
        return None
    file.seek(struct.unpack("<I", file.read(4))[0], io.SEEK_CUR)
    if file.read(4) != b"ICCP":
        return None
    size = struct.unpack("<I", file.read(4))[0]
    return _profile("of the WebP file", file.read(min(size, _MOST_BYTES)))


def _in_png(file: IO[bytes]) -> IccProfile | None:
    while True:
        size, kind = struct.unpack(">I4s", file.read(8))
        if kind in (b"IDAT", b"IEND"):
            return None
        if kind != b"iCCP":
            file.seek(size + 4, io.SEEK_CUR)
            continue
        name, _, rest = file.read(size).partition(b"\0")
        return _profile(name.decode("latin-1"), zlib.decompressobj().decompress(rest[1:], _MOST_BYTES))


def _in_tiff(file: IO[bytes], order: str) -> IccProfile | None:
    file.seek(4)
    [place] = struct.unpack(order + "I", file.read(4))
    file.seek(place)
    [count] = struct.unpack(order + "H", file.read(2))
    for _ in range(count):
        tag, _, size, where = struct.unpack(order + "HHII", file.read(12))
        if tag == TIFF_TAG:
            file.seek(where)
            return _profile("of the TIFF", file.read(min(size, _MOST_BYTES)))
    return None


def _in_jpeg(file: IO[bytes]) -> IccProfile | None:
    """Pieces in ``APP2`` segments, numbered from 1."""
    pieces: dict[int, bytes] = {}
    file.seek(2)
    while True:
        mark, kind, size = struct.unpack(">BBH", file.read(4))
        if mark != 0xFF or kind in (0xDA, 0xD9):  # the scan begins
            break
        content = file.read(size - 2)
        if kind == 0xE2 and content.startswith(b"ICC_PROFILE\0"):
            pieces[content[12]] = content[14:]
    return _profile("of the JPEG", b"".join(pieces[number] for number in sorted(pieces)))
