"""Boxes put into the sample entry of an MP4's or MOV's first video track, for what FFmpeg's muxer writes wrong or not.

Offsets of samples move with the header where it stands ahead of them, and are put right.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from vsr.errors import MachineError

__all__ = ["HeaderInserter", "box", "insert_into_file"]

_BLOCK_BYTES = 1 << 23
_CONTAINERS = (b"trak", b"mdia", b"minf", b"stbl")
_MOST_HEADER_BYTES = 1 << 30


def box(kind: bytes, content: bytes) -> bytes:
    """A box; ``content`` begins with version and flags where the kind wants them."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _children(data: bytes | bytearray, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and stop of the boxes between two places, their heads included."""
    while start + 8 <= stop:
        size = int.from_bytes(data[start : start + 4], "big")
        if size < 8 or start + size > stop:
            raise ValueError(f"a box of {size} bytes at {start}")
        yield bytes(data[start + 4 : start + 8]), start, start + size
        start += size


def _child(data: bytes | bytearray, kind: bytes, start: int, stop: int) -> tuple[int, int]:
    found = next(((a, b) for name, a, b in _children(data, start, stop) if name == kind), None)
    if found is None:
        raise ValueError(f"no {kind.decode()} box")
    return found


def _is_video(data: bytes | bytearray, trak: tuple[int, int]) -> bool:
    mdia = _child(data, b"mdia", trak[0] + 8, trak[1])
    start, _ = _child(data, b"hdlr", mdia[0] + 8, mdia[1])
    return data[start + 16 : start + 20] == b"vide"


def _with_boxes(moov: bytes, extra: bytes) -> bytearray:
    """A ``moov`` with ``extra`` at the end of the first sample entry of its first video track."""
    out = bytearray(moov)
    video = next(
        ((a, b) for kind, a, b in _children(out, 8, len(out)) if kind == b"trak" and _is_video(out, (a, b))), None
    )
    if video is None:
        raise ValueError("no video track")
    path, (start, stop) = [(0, len(out)), video], video
    for kind in (*_CONTAINERS[1:], b"stsd"):
        start, stop = _child(out, kind, start + 8, stop)
        path.append((start, stop))
    _, entry, end = next(_children(out, start + 16, stop))  # behind version, flags and the number of entries
    for place, _ in [*path, (entry, end)]:
        size = int.from_bytes(out[place : place + 4], "big") + len(extra)
        out[place : place + 4] = struct.pack(">I", size)
    out[end:end] = extra
    return out


def _move_samples(moov: bytearray, by: int) -> None:
    """Add ``by`` to the offsets of all chunks."""
    for kind, start, stop in list(_children(moov, 8, len(moov))):
        if kind != b"trak":
            continue
        for name in _CONTAINERS[1:]:
            start, stop = _child(moov, name, start + 8, stop)
        for table, first, _ in list(_children(moov, start + 8, stop)):
            if table in (b"stco", b"co64"):
                [count] = struct.unpack_from(">I", moov, first + 12)
                layout = f">{count}{'I' if table == b'stco' else 'Q'}"
                places = [place + by for place in struct.unpack_from(layout, moov, first + 16)]
                if table == b"stco" and places and max(places) >= 1 << 32:
                    raise ValueError("sample offsets no longer fit 32 bits")
                struct.pack_into(layout, moov, first + 16, *places)


def insert_into_file(path: Path, extra: bytes) -> None:
    """Put ``extra`` into the sample entry of the video of the MP4 or MOV file ``path``. Raises `MachineError`."""
    with path.open("r+b") as file:
        try:
            start, size = _find_moov(file)
            file.seek(start)
            moov = _with_boxes(file.read(size), extra)
            if _has_samples_behind(file, start + size):
                _move_samples(moov, len(extra))
        except (ValueError, struct.error) as error:
            raise MachineError(f"{path.name}: its header could not be completed ({error})") from error
        _make_room(file, start + size, len(extra))
        file.seek(start)
        file.write(moov)


def _tops(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and size of the file's own boxes."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head[:8])
        if size == 1:
            [size] = struct.unpack(">Q", head[8:])
        if size < 8:
            return
        yield kind, place, size
        place += size


def _find_moov(file: IO[bytes]) -> tuple[int, int]:
    for kind, place, size in _tops(file):
        if kind == b"moov" and size <= _MOST_HEADER_BYTES:
            return place, size
    raise ValueError("no moov box")


def _has_samples_behind(file: IO[bytes], place: int) -> bool:
    return any(kind == b"mdat" and start >= place for kind, start, _ in _tops(file))


def _make_room(file: IO[bytes], place: int, size: int) -> None:
    """Move everything from ``place`` on by ``size`` bytes, from the end backwards."""
    end = file.seek(0, 2)
    while end > place:
        begin = max(place, end - _BLOCK_BYTES)
        file.seek(begin)
        block = file.read(end - begin)
        file.seek(begin + size)
        file.write(block)
        end = begin


class HeaderInserter:
    """A writer in front of another that puts boxes into the header of a fragmented MOV on its way."""

    def __init__(self, target: IO[bytes], extra: bytes) -> None:
        self._target, self._extra = target, extra
        self._head: bytearray | None = bytearray()

    def write(self, data: bytes) -> int:
        """Hand ``data`` on; what comes before the end of the header waits for it."""
        if self._head is None:
            return self._target.write(data)
        self._head += data
        start = 0
        while start + 8 <= len(self._head):
            stop = start + int.from_bytes(self._head[start : start + 4], "big")
            if stop > len(self._head) or stop < start + 8:
                break
            if self._head[start + 4 : start + 8] == b"moov":
                moov = _with_boxes(bytes(self._head[start:stop]), self._extra)
                self._target.write(bytes(self._head[:start]) + moov + bytes(self._head[stop:]))
                self._head = None
                break
            start = stop
        return len(data)
