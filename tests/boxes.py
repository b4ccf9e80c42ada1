"""Boxes of MP4 and MOV files: put in by hand, where no program here writes them, and read to judge what vsr writes."""

from __future__ import annotations

import struct
from pathlib import Path

__all__ = ["box", "clap", "find_boxes", "sample_entries", "with_boxes"]

_VIDEO_ENTRY = 78  # bytes of fields in a sample entry of video ahead of its own boxes


def box(kind: bytes, content: bytes) -> bytes:
    """A box."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def clap(width: int, height: int, right: int, down: int) -> bytes:
    """A clean aperture of that size, its centre moved by so many half samples."""
    return box(b"clap", struct.pack(">8i", width, 1, height, 1, right, 2, down, 2))


def find_boxes(data: bytes, start: int, stop: int) -> list[tuple[bytes, int, int]]:
    """Kind, first place and end of the content of the boxes between two places."""
    found = []
    while start + 8 <= min(stop, len(data)):
        size, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        assert size >= 8, f"no box of 32 bits of size at {start}: {size}"
        found.append((kind, start + 8, start + size))
        start += size
    return found


def _inside(data: bytes, spans: list[tuple[int, int]], kind: bytes) -> list[tuple[int, int]]:
    return [(first, last) for span in spans for name, first, last in find_boxes(data, *span) if name == kind]


def sample_entries(path: Path) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Of each video track its four-character code and the boxes in its sample entry."""
    data, found = path.read_bytes(), []
    for trak in _inside(data, _inside(data, [(0, len(data))], b"moov"), b"trak"):
        [mdia] = _inside(data, [trak], b"mdia")
        [hdlr] = _inside(data, [mdia], b"hdlr")
        if data[hdlr[0] + 8 : hdlr[0] + 12] != b"vide":
            continue
        [stsd] = _inside(data, _inside(data, _inside(data, [mdia], b"minf"), b"stbl"), b"stsd")
        [(code, first, last)] = find_boxes(data, stsd[0] + 8, stsd[1])
        inner = {kind: data[a:b] for kind, a, b in find_boxes(data, first + _VIDEO_ENTRY, last)}
        found.append((code, inner))
    return found


def with_boxes(source: Path, target: Path, extra: bytes) -> Path:
    """``source``, whose ``moov`` comes last, with more boxes in the sample entry of its first track."""
    data = bytearray(source.read_bytes())
    start, sizes = 0, []
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        while data[start + 4 : start + 8] != kind:
            size = int.from_bytes(data[start : start + 4], "big")
            assert size >= 8, f"no {kind.decode()} ahead of {start}"
            start += size
        sizes.append(start)
        start += 16 if kind == b"stsd" else 8
    end = start + int.from_bytes(data[start : start + 4], "big")
    for place in [*sizes, start]:
        data[place : place + 4] = struct.pack(">I", int.from_bytes(data[place : place + 4], "big") + len(extra))
    data[end:end] = extra
    target.write_bytes(bytes(data))
    return target
