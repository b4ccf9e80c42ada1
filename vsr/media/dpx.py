"""What the header of a DPX image says beside its samples (SMPTE ST 268): transfer, frame number, timecode, film.

FFmpeg's decoder reads some of it and its encoder writes none. Log encodings of film are in none of the tables that
video uses, so such images are of unspecified transfer to everything but DPX.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["DpxHeader", "read_dpx_header", "with_dpx_header"]

_MAGIC = {b"SDPX": ">", b"XPDS": "<"}
_GENERIC, _INDUSTRY = 1664, 384
_OFFSET, _FILE_SIZE, _GENERIC_SIZE, _INDUSTRY_SIZE = 4, 16, 24, 28
_TRANSFER, _COLORIMETRIC, _BITS = 801, 802, 803
_CREATOR, _PROJECT, _COPYRIGHT = slice(160, 260), slice(260, 460), slice(460, 660)
_REFERENCES, _ORIGIN = slice(784, 800), slice(1432, 1620)
_WORDS = (*range(48, 68, 4), 256, 260, *range(268, 308, 4))  # numbers of 32 bits among the industry header's bytes
_FOUR = range(0, 16, 4)
_FRAME_NUMBER, _TIMECODE = 48, 256
_SCAN, _SAMPLE_RATES = slice(264, 267), slice(268, 276)
_KEY_CODE, _SLATE = slice(0, 48), slice(68, 200)
_UNSET = 0xFFFFFFFF
_FFMPEG = "Lavc"  # what its encoder calls itself, which says nothing of the image
_OURS = "vsr "  # creator of what vsr wrote; its project is a sentence that the next output hands on
_LOG = {1: "printing density", 3: "logarithmic"}


@dataclass(frozen=True)
class DpxHeader:
    """The parts of a header that are kept. Numbers in ``industry`` are big-endian, wherever they came from."""

    transfer: int
    """Code of the transfer characteristic; 1 is printing density, 3 another logarithm."""
    colorimetric: int
    """Code of the colorimetric specification."""
    industry: bytes
    """Film and television headers, 384 bytes; nothing set where the file has none."""
    bits: int = 0
    """Of a sample."""
    references: bytes = b""
    """Codes of black and white, and the densities or light that they stand for, 16 bytes of four big-endian numbers."""
    copyright: bytes = b""
    """200 characters."""
    origin: bytes = b""
    """Name and time of the source image, scanner and its serial number, 188 characters."""

    creator: str = ""
    """Who or what made the file."""
    project: str = ""
    """What it was made for."""

    @property
    def own_words(self) -> str:
        """What vsr said of itself, where it made the file; else empty."""
        return f"{self.creator} {self.project}" if self.creator.startswith(_OURS) else ""

    @property
    def log_transfer(self) -> str:
        """The logarithm that the samples are, in words; empty for what video has codes for."""
        return _LOG.get(self.transfer, "")

    @property
    def frame_number(self) -> int | None:
        """Position of the frame in its sequence."""
        return self._number(_FRAME_NUMBER)

    @property
    def timecode(self) -> str | None:
        """``HH:MM:SS:FF``."""
        number = self._number(_TIMECODE)
        digits = f"{number:08x}" if number is not None else ""
        return ":".join(digits[n : n + 2] for n in range(0, 8, 2)) if digits.isdecimal() else None

    def _number(self, place: int) -> int | None:
        [number] = struct.unpack_from(">I", self.industry, place)
        return None if number == _UNSET else int(number)

    def in_words(self) -> list[str]:
        """What is said that no other format keeps."""
        said = [f"transfer {self.log_transfer}"] if self.log_transfer else []
        if self.frame_number is not None:
            said.append(f"frame number {self.frame_number}")
        if self.industry[_KEY_CODE].strip(b"\0\xff"):
            said.append("film edge code")
        if self.industry[_SLATE].strip(b"\0\xff"):
            said.append("frame identification and slate")
        if self.references.strip(b"\0\xff"):
            said.append("codes and densities of black and white")
        if self.copyright.strip(b"\0\xff"):
            said.append("copyright")
        if self.origin.strip(b"\0\xff"):
            said.append("scanner and source image")
        return said + self.replaced_words()

    def replaced_words(self) -> list[str]:
        """What every program that writes DPX says of itself instead; vsr hands on what it said itself."""
        if self.own_words:
            return []
        return [f"{name} {said}" for name, said in (("creator", self.creator), ("project", self.project)) if said]

    def for_new_image(self, *, resized: bool, deinterlaced: bool) -> DpxHeader:
        """Without what is no longer true of the restored image."""
        industry = bytearray(self.industry)
        if resized:
            industry[_SAMPLE_RATES] = b"\xff" * 8
        if deinterlaced:
            industry[_SCAN] = b"\0\xff\xff"
        return replace(self, industry=bytes(industry))


def read_dpx_header(path: Path) -> DpxHeader | None:
    """The header of the image at ``path``; None where it is no DPX file."""
    with path.open("rb") as file:
        head = file.read(_GENERIC + _INDUSTRY)
    order = _MAGIC.get(head[:4])
    if order is None or len(head) < _GENERIC:
        return None
    [offset] = struct.unpack_from(order + "I", head, _OFFSET)
    has_industry = offset >= _GENERIC + _INDUSTRY and len(head) == _GENERIC + _INDUSTRY
    industry = head[_GENERIC:] if has_industry else b"\xff" * _INDUSTRY
    return DpxHeader(
        head[_TRANSFER],
        head[_COLORIMETRIC],
        industry if order == ">" else _swap(industry, _WORDS),
        head[_BITS],
        head[_REFERENCES] if order == ">" else _swap(head[_REFERENCES], _FOUR),
        head[_COPYRIGHT],
        head[_ORIGIN],
        "" if (creator := _text(head[_CREATOR])).startswith(_FFMPEG) else creator,
        _text(head[_PROJECT]),
    )


def _text(field: bytes) -> str:
    """ASCII up to the first zero byte; nothing where it is not set."""
    return field.partition(b"\0")[0].rstrip(b"\xff").decode("ascii", "replace").strip()


def with_dpx_header(image: bytes, header: DpxHeader) -> bytes:
    """The DPX file ``image``, as FFmpeg writes it without film and television headers, with ``header``."""
    order = _MAGIC[image[:4]]
    [offset] = struct.unpack_from(order + "I", image, _OFFSET)
    industry = header.industry if order == ">" else _swap(header.industry, _WORDS)
    out = bytearray(image[:_GENERIC]) + industry + image[offset:]
    out[_COPYRIGHT], out[_ORIGIN] = header.copyright or out[_COPYRIGHT], header.origin or out[_ORIGIN]
    if header.bits == out[_BITS]:  # codes of another depth are others
        out[_REFERENCES] = header.references if order == ">" else _swap(header.references, _FOUR)
    out[_TRANSFER], out[_COLORIMETRIC] = header.transfer, header.colorimetric
    struct.pack_into(order + "I", out, _OFFSET, _GENERIC + _INDUSTRY)
    struct.pack_into(order + "I", out, _FILE_SIZE, len(out))
    struct.pack_into(order + "2I", out, _GENERIC_SIZE, _GENERIC, _INDUSTRY)
    return bytes(out)


def _swap(part: bytes, places: Sequence[int]) -> bytes:
    """The same with the bytes of the numbers at ``places`` the other way round."""
    out = bytearray(part)
    for place in places:
        out[place : place + 4] = out[place : place + 4][::-1]
    return bytes(out)
