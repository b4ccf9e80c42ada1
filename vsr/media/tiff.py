"""What the tags of a TIFF image say beside its samples: resolution, description, who made it, when and with what.

FFmpeg's encoder writes none of the source's. The first directory of classic TIFF is read (TIFF 6.0, Adobe 1992).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

__all__ = ["OF_THE_SOURCE", "TIFF_ASCII", "TIFF_RATIONAL", "TIFF_SHORT", "TIFF_WORDS", "TiffHeader", "read_tiff_header"]

TIFF_ASCII, TIFF_SHORT, TIFF_RATIONAL = 2, 3, 5

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
TIFF_WORDS = {
    269: "document name",
    271: "make",
    272: "model",
    285: "page name",
    306: "date",
    315: "artist",
    316: "host computer",
    33432: "copyright",
}
"""Tags of text that go on from image to image, by number."""
_DESCRIPTION, _SOFTWARE, _ACROSS, _DOWN, _UNIT = 270, 305, 282, 283, 296
_MOST_BYTES, _MOST_TAGS = 65536, 512
_FFMPEG, _VSR = "Lavc", "vsr "  # what they call themselves
OF_THE_SOURCE = "; of the source: "
"""Ahead of the source's description, in that of an output."""


@dataclass(frozen=True)
class TiffHeader:
    """The tags that are kept. Texts are bytes read as Latin-1, whatever they are: so each byte goes on."""

    words: tuple[tuple[int, str], ...] = ()
    """Numbers and texts of those that are text."""
    description: str = ""
    software: str = ""
    resolution: tuple[Fraction, Fraction] | None = None
    """Pixels in a unit, across and down; None where it says nothing."""
    unit: int = 2
    """2 inch, 3 centimetre, 1 none."""

    def in_words(self) -> list[str]:
        """What is said that no other format keeps."""
        said = [f"{TIFF_WORDS[tag]} {_readable(text)}" for tag, text in self.words]
        said += [f"description {_readable(self.description)}"] if self.description else []
        return said + self.lost_words(resized=True) + self.replaced_words()

    def replaced_words(self) -> list[str]:
        """What vsr says of itself instead."""
        return [f"software {_readable(self.software)}"] if self.software else []

    def lost_words(self, *, resized: bool) -> list[str]:
        """What is no longer true of a larger image."""
        return [f"resolution {'x'.join(map(str, self.resolution))}"] if resized and self.resolution else []

    def for_new_image(self, *, resized: bool) -> TiffHeader:
        """Without what is no longer true of the restored image."""
        return replace(self, resolution=None) if resized else self


def read_tiff_header(path: Path) -> TiffHeader | None:
    """The tags of the image at ``path``; None where it is no classic TIFF file."""
    with path.open("rb") as file:
        head = file.read(8)
        order = _ORDERS.get(head[:4])
        if order is None or len(head) < 8:
            return None

        def content(kind: int, size: int, value: bytes) -> bytes:
            total = size * {TIFF_ASCII: 1, TIFF_SHORT: 2, TIFF_RATIONAL: 8}[kind]
            if total <= 4:
                return value[:total]
            file.seek(struct.unpack(order + "I", value)[0])
            return file.read(min(total, _MOST_BYTES))

        try:
            file.seek(struct.unpack(order + "I", head[4:])[0])
            [count] = struct.unpack(order + "H", file.read(2))
            rows = [struct.unpack(order + "HHI4s", file.read(12)) for _ in range(min(count, _MOST_TAGS))]
            found = {tag: content(kind, size, value) for tag, kind, size, value in rows if kind and kind == _kind(tag)}
            return _header(found, order)
        except struct.error:  # cut short: the decoder has the last word
            return None


def _kind(tag: int) -> int:
    if tag in TIFF_WORDS or tag in (_DESCRIPTION, _SOFTWARE):
        return TIFF_ASCII
    return {_ACROSS: TIFF_RATIONAL, _DOWN: TIFF_RATIONAL, _UNIT: TIFF_SHORT}.get(tag, 0)


def _header(found: dict[int, bytes], order: str) -> TiffHeader:
    texts = {tag: _text(found[tag]) for tag in found if _kind(tag) == TIFF_ASCII}
    software, description = texts.get(_SOFTWARE, ""), texts.get(_DESCRIPTION, "")
    if software.startswith(_VSR):  # the rest is said by this program, of a step before
        description = description.partition(OF_THE_SOURCE)[2]
    return TiffHeader(
        tuple((tag, texts[tag]) for tag in sorted(texts) if tag in TIFF_WORDS and texts[tag]),
        description,
        "" if software.startswith((_FFMPEG, _VSR)) else software,
        _resolution(found, order),
        struct.unpack(order + "H", found[_UNIT])[0] if len(found.get(_UNIT, b"")) == 2 else 2,
    )


def _resolution(found: dict[int, bytes], order: str) -> tuple[Fraction, Fraction] | None:
    """72 each way is what programs write who know none."""
    values = [found.get(tag, b"") for tag in (_ACROSS, _DOWN)]
    if any(len(value) != 8 for value in values):
        return None
    pairs = [struct.unpack(order + "2I", value) for value in values]
    if not all(above and below for above, below in pairs):
        return None
    across, down = (Fraction(*pair) for pair in pairs)
    return None if across == down == 72 else (across, down)


def _text(content: bytes) -> str:
    """Parts between NULs stay: a copyright has two, the photographer's and the editor's."""
    text = content.rstrip(b"\0 ").decode("latin-1")
    return text if text.strip("\0 ") else ""


def _readable(text: str) -> str:
    """For people: as UTF-8 where it is that."""
    try:
        text = text.encode("latin-1").decode()
    except UnicodeDecodeError:
        pass
    return "; ".join(part.strip() for part in text.split("\0") if part.strip())
