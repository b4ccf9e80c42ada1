"""Words inside picture files, put in after encoding: FFmpeg's picture encoders write none.

Two of them: the software, and a comment. PNG takes them as ``tEXt``, TIFF as the tags Software and ImageDescription,
DPX as creator and project, OpenEXR as attributes ``software`` and ``comments``. Samples are not touched.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

__all__ = ["PictureText", "with_text"]

_PNG = b"\x89PNG\r\n\x1a\n"
_EXR = b"\x76\x2f\x31\x01"
_TIFF_SOFTWARE, _TIFF_DESCRIPTION, _TIFF_ASCII = 305, 270, 2
_DPX_CREATOR, _DPX_PROJECT = (160, 100), (260, 200)  # place and length


@dataclass(frozen=True)
class PictureText:
    """What a picture says of itself, in ASCII."""

    software: str
    comment: str


def with_text(picture: bytes, text: PictureText) -> bytes:
    """The file ``picture`` (PNG, TIFF, DPX or OpenEXR as FFmpeg writes them) with ``text``; others as they are."""
    software, comment = (part.encode("ascii", "replace") for part in (text.software, text.comment))
    if picture.startswith(_PNG):
        return _in_png(picture, software, comment)
    if picture.startswith(b"II*\0"):
        return _in_tiff(picture, software, comment)
    if picture.startswith((b"SDPX", b"XPDS")):
        return _in_dpx(picture, software, comment)
    if picture.startswith(_EXR):
        return _in_exr(picture, software, comment)
    return picture


def _in_png(picture: bytes, software: bytes, comment: bytes) -> bytes:
    """Chunks before the first ``IDAT``."""
    place = len(_PNG)
    while picture[place + 4 : place + 8] != b"IDAT":
        place += 12 + int.from_bytes(picture[place : place + 4], "big")
    chunks = b""
    for keyword, words in ((b"Software", software), (b"Comment", comment)):
        body = b"tEXt" + keyword + b"\0" + words
        chunks += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return picture[:place] + chunks + picture[place:]


def _in_tiff(picture: bytes, software: bytes, comment: bytes) -> bytes:
    """A longer directory at the end of the file, instead of the old one."""
    [old] = struct.unpack_from("<I", picture, 4)
    [count] = struct.unpack_from("<H", picture, old)
    entries = {
        struct.unpack_from("<H", picture, old + 2 + 12 * n)[0]: picture[old + 2 + 12 * n : old + 14 + 12 * n]
        for n in range(count)
    }
    out = bytearray(picture)
    for tag, words in ((_TIFF_DESCRIPTION, comment), (_TIFF_SOFTWARE, software)):
        out += b"\0" * (len(out) % 2)
        entries[tag] = struct.pack("<HHII", tag, _TIFF_ASCII, len(words) + 1, len(out))
        out += words + b"\0"
    out += b"\0" * (len(out) % 2)
    struct.pack_into("<I", out, 4, len(out))
    out += struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + b"\0\0\0\0"
    return bytes(out)


def _in_dpx(picture: bytes, software: bytes, comment: bytes) -> bytes:
    out = bytearray(picture)
    for (place, length), words in ((_DPX_CREATOR, software), (_DPX_PROJECT, comment)):
        out[place : place + length] = words[: length - 1].ljust(length, b"\0")
    return bytes(out)


def _in_exr(picture: bytes, software: bytes, comment: bytes) -> bytes:
    """Attributes at the end of the header; the table of places behind it moves on."""
    place = 8
    while picture[place] != 0:
        for _ in ("name", "type"):
            place = picture.index(b"\0", place) + 1
        place += 4 + struct.unpack_from("<I", picture, place)[0]
    added = b"".join(
        name + b"\0string\0" + struct.pack("<I", len(words)) + words
        for name, words in ((b"software", software), (b"comments", comment))
    )
    table = place + 1
    [first] = struct.unpack_from("<Q", picture, table)
    places = struct.unpack_from(f"<{(first - table) // 8}Q", picture, table)
    moved = struct.pack(f"<{len(places)}Q", *(offset + len(added) for offset in places))
    return picture[:place] + added + b"\0" + moved + picture[first:]
