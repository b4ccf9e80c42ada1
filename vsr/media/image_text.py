"""What image files say beside their samples, put in after encoding: FFmpeg's image encoders write none of it.

Words, two of them: the software, and a comment. PNG takes them as ``tEXt``, TIFF as the tags Software and
ImageDescription, WebP as XMP, DPX as creator and project, OpenEXR as attributes ``software`` and ``comments``. And from
the source its ICC profile in PNG, TIFF and WebP, its headers in DPX and OpenEXR, its tags in TIFF. Samples are not
touched.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from vsr.media.dpx import DpxHeader, with_dpx_header
from vsr.media.exr import EXR_MAGIC, ExrHeader, with_exr_attributes
from vsr.media.icc import TIFF_TAG, IccProfile
from vsr.media.tiff import OF_THE_SOURCE, TIFF_ASCII, TIFF_RATIONAL, TIFF_SHORT, TiffHeader
from vsr.media.webp import is_webp, with_webp_text

__all__ = ["ImageText", "with_text"]

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_COLOUR = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"iCCP")
_TIFF_SOFTWARE, _TIFF_DESCRIPTION, _TIFF_UNDEFINED = 305, 270, 7
_TIFF_RESOLUTION, _TIFF_UNIT = (282, 283), 296
_DPX_CREATOR, _DPX_PROJECT = (160, 100), (260, 200)  # place and length


@dataclass(frozen=True)
class ImageText:
    """What an image says of itself, in ASCII."""

    software: str
    comment: str
    profile: IccProfile | None = None
    """Written into PNG, TIFF and WebP; it must be for samples such as theirs."""
    header: DpxHeader | ExrHeader | TiffHeader | None = None
    """Written into images of its own kind."""


def with_text(image: bytes, text: ImageText) -> bytes:
    """The file ``image`` (PNG, TIFF, WebP, DPX, OpenEXR as FFmpeg writes them) with ``text``; others as they are."""
    software, comment = (part.encode("ascii", "replace") for part in (text.software, text.comment))
    if image.startswith(_PNG):
        return _in_png(image, software, comment, text.profile)
    if image.startswith(b"II*\0"):
        tags = text.header if isinstance(text.header, TiffHeader) else TiffHeader()
        return _in_tiff(image, software, comment, text.profile, tags)
    if is_webp(image):
        return with_webp_text(
            image, text.software, text.comment, None if text.profile is None else text.profile.profile
        )
    if image.startswith((b"SDPX", b"XPDS")):
        worded = _in_dpx(image, software, comment)
        return with_dpx_header(worded, text.header) if isinstance(text.header, DpxHeader) else worded
    if image.startswith(EXR_MAGIC):
        words = (("software", "string", software), ("comments", "string", comment))
        return with_exr_attributes(
            image, words + (text.header.attributes if isinstance(text.header, ExrHeader) else ())
        )
    return image


def _in_png(image: bytes, software: bytes, comment: bytes, profile: IccProfile | None) -> bytes:
    """Chunks before the first ``IDAT``. A profile takes the place of what else says what colours are meant."""
    place, kept = len(_PNG), bytearray(_PNG)
    while (kind := image[place + 4 : place + 8]) != b"IDAT":
        end = place + 12 + int.from_bytes(image[place : place + 4], "big")
        if profile is None or kind not in _PNG_COLOUR:
            kept += image[place:end]
        place = end
    if profile is not None:
        name = profile.name.encode("latin-1", "replace")[:79].strip() or b"ICC"
        kept += _png_chunk(b"iCCP", name + b"\0\0" + zlib.compress(profile.profile))
    for keyword, words in ((b"Software", software), (b"Comment", comment)):
        kept += _png_chunk(b"tEXt", keyword + b"\0" + words)
    return bytes(kept) + image[place:]


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _in_tiff(image: bytes, software: bytes, comment: bytes, profile: IccProfile | None, tags: TiffHeader) -> bytes:
    """A longer directory at the end of the file, instead of the old one."""
    [old] = struct.unpack_from("<I", image, 4)
    [count] = struct.unpack_from("<H", image, old)
    entries = {
        struct.unpack_from("<H", image, old + 2 + 12 * n)[0]: image[old + 2 + 12 * n : old + 14 + 12 * n]
        for n in range(count)
    }
    if tags.description:
        comment += OF_THE_SOURCE.encode() + tags.description.encode("latin-1")
    added = [
        (_TIFF_DESCRIPTION, TIFF_ASCII, 1, comment + b"\0"),
        (_TIFF_SOFTWARE, TIFF_ASCII, 1, software + b"\0"),
        *((tag, TIFF_ASCII, 1, words.encode("latin-1") + b"\0") for tag, words in tags.words),
        *([(TIFF_TAG, _TIFF_UNDEFINED, 1, profile.profile)] if profile is not None else []),
    ]
    if tags.resolution is not None:
        for tag, pixels in zip(_TIFF_RESOLUTION, tags.resolution, strict=True):
            added.append((tag, TIFF_RATIONAL, 8, struct.pack("<2I", pixels.numerator, pixels.denominator)))
        entries[_TIFF_UNIT] = struct.pack("<HHIHH", _TIFF_UNIT, TIFF_SHORT, 1, tags.unit, 0)
    out = bytearray(image)
    for tag, kind, each, content in added:
        out += b"\0" * (len(out) % 2)
        entries[tag] = struct.pack("<HHII", tag, kind, len(content) // each, len(out))
        out += content
    out += b"\0" * (len(out) % 2)
    struct.pack_into("<I", out, 4, len(out))
    out += struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + b"\0\0\0\0"
    return bytes(out)


def _in_dpx(image: bytes, software: bytes, comment: bytes) -> bytes:
    out = bytearray(image)
    for (place, length), words in ((_DPX_CREATOR, software), (_DPX_PROJECT, comment)):
        out[place : place + length] = words[: length - 1].ljust(length, b"\0")
    return bytes(out)
