"""WebP files as containers: what their chunks hold, and whole animations put together from single images.

Each frame of an animation that is written here is a complete image, as libwebp encodes one alone: frames can be
encoded anywhere, in any order, and none is merged with its neighbour. On natural footage that costs 2 % over libwebp's
own animations, which store differences. Layout: Google, WebP Container Specification.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from vsr.errors import InputError

__all__ = [
    "WEBP_MOST_TICKS",
    "WEBP_TICK",
    "WebpFile",
    "WebpFrame",
    "holds_webp",
    "is_animated_webp",
    "is_webp",
    "read_webp",
    "with_webp_text",
    "write_webp",
]

WEBP_TICK = Fraction(1, 1000)
"""Seconds a tick of an animation's clock."""
WEBP_MOST_TICKS = (1 << 24) - 1
"""That a frame can last."""
_BROWSERS_MS = 100  # what browsers show a frame for that says nothing
_ANIMATED, _XMP, _ALPHA, _ICC = 2, 4, 16, 32
_IMAGE = (b"ALPH", b"VP8 ", b"VP8L")
_REPLACES = 2  # the frame takes the place of what was shown before, and is not blended with it


@dataclass(frozen=True)
class WebpFrame:
    """One frame of a file."""

    pts: int
    """Milliseconds from the first one."""
    duration: int
    """Milliseconds."""
    num_bytes: int
    """Of its chunk."""
    md5: bytes
    """Of its chunk."""


@dataclass(frozen=True)
class WebpFile:
    """What a file holds; one frame where it is no animation."""

    width: int
    height: int
    is_animated: bool
    frames: tuple[WebpFrame, ...]
    sha256: str
    """Over the chunks of all frames, in file order."""
    extras: tuple[str, ...]
    """Names of metadata in it: ``ICC profile``, ``EXIF``, ``XMP``."""


def is_webp(head: bytes) -> bool:
    """Whether a file that begins with ``head`` (12 bytes at least) is WebP."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def holds_webp(path: Path) -> bool:
    """Whether ``path`` is a WebP file by its content; false for what is no file, or may not be read."""
    try:
        with path.open("rb") as file:
            return is_webp(file.read(12))
    except OSError:  # whoever opens it next says so
        return False


def is_animated_webp(head: bytes) -> bool:
    """Whether a file that begins with ``head`` (21 bytes at least) is an animated WebP."""
    return is_webp(head) and head[12:16] == b"VP8X" and bool(head[20:21]) and bool(head[20] & _ANIMATED)


def read_webp(path: Path) -> WebpFile:
    """What the chunks of ``path`` say; no image is decoded. Raises `InputError` where they say nothing usable."""
    width = height = 0
    frames: list[WebpFrame] = []
    extras, digest, still = [], hashlib.sha256(), bytearray()
    names = {b"ICCP": "ICC profile", b"EXIF": "EXIF", b"XMP ": "XMP"}
    try:
        with path.open("rb") as file:
            if not is_webp(head := file.read(12)):
                raise InputError(f"{path}: is no WebP file")
            for kind, content in _chunks(file, 8 + int.from_bytes(head[4:8], "little")):
                if kind == b"VP8X":
                    width, height = _three(content, 4) + 1, _three(content, 7) + 1
                elif kind == b"ANMF":
                    duration = _three(content, 12) or _BROWSERS_MS
                    pts = frames[-1].pts + frames[-1].duration if frames else 0
                    frames.append(WebpFrame(pts, duration, len(content), hashlib.md5(content).digest()))
                    digest.update(content)
                elif kind in _IMAGE:
                    still += content
                elif kind in names:
                    extras.append(names[kind])
    except (IndexError, struct.error) as error:
        raise InputError(f"{path}: is a damaged WebP file") from error
    if not frames and still:
        digest.update(still)
        one = WebpFrame(0, _BROWSERS_MS, len(still), hashlib.md5(still).digest())
        return WebpFile(width, height, False, (one,), digest.hexdigest(), tuple(extras))
    if not frames:
        raise InputError(f"{path}: is a WebP file without any image")
    return WebpFile(width, height, True, tuple(frames), digest.hexdigest(), tuple(extras))


def _chunks(file: IO[bytes], size: int) -> Iterator[tuple[bytes, bytes]]:
    """The chunks from where ``file`` is to its byte ``size``; one that is cut off ends them."""
    size_on_disk = os.fstat(file.fileno()).st_size
    while file.tell() + 8 <= size and len(head := file.read(8)) == 8:
        length = int.from_bytes(head[4:], "little")
        if length > size_on_disk - file.tell():
            return
        content = file.read(length)
        if len(content) < length:
            return
        file.read(length % 2)
        yield head[:4], content


def _three(content: bytes, place: int) -> int:
    if len(content) < place + 3:
        raise IndexError(place)
    return int.from_bytes(content[place : place + 3], "little")


def _image_chunks(image: bytes) -> bytes:
    """The chunks of a complete file that are the image itself."""
    place, found = 12, bytearray()
    while place + 8 <= len(image):
        end = place + 8 + int.from_bytes(image[place + 4 : place + 8], "little")
        end += end % 2
        if image[place : place + 4] in _IMAGE:
            found += image[place:end]
        place = end
    return bytes(found)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _head(flags: int, width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\0\0\0\0WEBP" + _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


def _words(software: str, comment: str) -> bytes:
    """XMP that says by what a file was made, and how."""
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f"xmp:CreatorTool={quoteattr(software)}><dc:description><rdf:Alt>"
        f'<rdf:li xml:lang="x-default">{escape(comment)}</rdf:li>'
        "</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return _chunk(b"XMP ", packet.encode())


def _facts(image: bytes) -> tuple[int, int, bool]:
    """Width, height and whether there is an alpha channel, of a file of one image as libwebp writes it."""
    kind = image[12:16]
    if kind == b"VP8X":
        return _three(image, 24) + 1, _three(image, 27) + 1, bool(image[20] & _ALPHA)
    if kind == b"VP8L":
        bits = int.from_bytes(image[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    width, height = struct.unpack_from("<HH", image, 26)
    return width & 0x3FFF, height & 0x3FFF, False


def with_webp_text(image: bytes, software: str, comment: str, profile: bytes | None = None) -> bytes:
    """The file ``image``, of one image as libwebp writes it, with words about its making, and an ICC profile."""
    width, height, has_alpha = _facts(image)
    flags = _XMP | (_ALPHA if has_alpha else 0) | (_ICC if profile is not None else 0)
    whole = bytearray(_head(flags, width, height))
    if profile is not None:
        whole += _chunk(b"ICCP", profile)
    whole += _image_chunks(image) + _words(software, comment)
    whole[4:8] = struct.pack("<I", len(whole) - 8)
    return bytes(whole)


def write_webp(
    target: Path,
    images: Iterable[bytes],
    durations: Sequence[int],
    *,
    width: int,
    height: int,
    has_alpha: bool,
    software: str,
    comment: str,
    profile: bytes | None = None,
) -> None:
    """Write an animation of complete WebP ``images`` that plays without end, each shown for its time (ms)."""
    flags = _ANIMATED | _XMP | (_ALPHA if has_alpha else 0) | (_ICC if profile is not None else 0)
    place = bytes(6) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    with target.open("wb") as file:
        file.write(_head(flags, width, height))
        if profile is not None:
            file.write(_chunk(b"ICCP", profile))
        file.write(_chunk(b"ANIM", bytes(6)))  # background transparent black, loops without end
        for image, duration in zip(images, durations, strict=True):
            timed = place + duration.to_bytes(3, "little") + bytes([_REPLACES])
            file.write(_chunk(b"ANMF", timed + _image_chunks(image)))
        file.write(_words(software, comment))
        size = file.tell() - 8
        if size >= 1 << 32:
            raise InputError(f"{target.name}: WebP holds 4 GiB, and this is more; name the output .mp4")
        file.seek(4)
        file.write(struct.pack("<I", size))
