"""What FFmpeg's muxer leaves out of Matroska's header where files are to be the same every time, put there afterwards.

It names no SegmentUID, since its own is random, and says of pixels without an aspect ratio that their shape is unknown.
Archives ask for both. The bytes of the UID come from the file; its room comes from the void behind the seek head, so
that nothing else moves. Elements: RFC 9559; their form: RFC 8794.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["complete_header"]

_log = logging.getLogger(__name__)

_SEGMENT, _SEEK_HEAD, _VOID, _INFO, _TRACKS = 0x18538067, 0x114D9B74, 0xEC, 0x1549A966, 0x1654AE6B
_SEEK, _SEEK_POSITION, _CRC = 0x4DBB, 0x53AC, 0xBF
_TRACK_ENTRY, _VIDEO, _DISPLAY_UNIT = 0xAE, 0xE0, 0x54B2
_SEGMENT_UID, _UID_BYTES = b"\x73\xa4", 16
_UNKNOWN_UNIT, _PIXELS = 4, 0
_HEAD_BYTES, _END_BYTES = 1 << 20, 1 << 16
_VOID_HEAD = 9  # bytes of the id and the long form of the size


@dataclass(frozen=True)
class _Element:
    number: int
    """Its id."""
    start: int
    body: int
    end: int


def complete_header(path: Path) -> bool:
    """Give the Matroska file ``path``, as ffmpeg has just written it, a SegmentUID and square pixels; whether it could.

    The UID is a digest of the file's size, its first mebibyte and its end. Raises OSError.
    """
    with path.open("r+b") as file:
        head = bytearray(file.read(_HEAD_BYTES))
        file.seek(max(0, path.stat().st_size - _END_BYTES))
        digest = hashlib.sha256(b"%d " % path.stat().st_size + head + file.read()).digest()
        completed = _complete(bytes(head), digest[:_UID_BYTES])
        if completed is None:
            _log.warning("%s: has no SegmentUID: its header is not in the form that was expected", path.name)
            return False
        assert len(completed) == len(head)
        file.seek(0)
        file.write(completed)
    return True


def _complete(head: bytes, uid: bytes) -> bytes | None:
    """The header with both; None where it has another form."""
    try:
        segment = next(one for one in _children(head, 0, len(head)) if one.number == _SEGMENT)
        found = {}
        for one in _children(head, segment.body, len(head)):
            found[one.number] = one
            if one.number == _TRACKS:
                break
        seeks, void, info, tracks = (found[number] for number in (_SEEK_HEAD, _VOID, _INFO, _TRACKS))
    except (IndexError, KeyError, StopIteration):
        return None
    if not (seeks.end == void.start and void.end == info.start and tracks.end <= len(head)):
        return None
    body = head[info.body : info.end] + _SEGMENT_UID + bytes([0x80 | len(uid)]) + uid
    longer = _element(_INFO, body)
    moved = len(longer) - (info.end - info.start)
    room = void.end - void.start - moved - _VOID_HEAD
    if room < 0:
        return None
    seek_head = _move_target(head[seeks.start : seeks.end], info.start - segment.body, moved)
    gap = bytes([_VOID, 0x01]) + room.to_bytes(7, "big") + bytes(room)
    shown = _square(head[tracks.start : tracks.end])
    return head[: seeks.start] + seek_head + gap + longer + head[info.end : tracks.start] + shown + head[tracks.end :]


def _children(data: bytes, start: int, stop: int) -> Iterator[_Element]:
    """Elements one behind the other. Raises IndexError where ``data`` ends too soon."""
    while start < stop:
        length = 9 - data[start].bit_length()
        number = int.from_bytes(data[start : start + length], "big")
        place = start + length
        width = 9 - data[place].bit_length()
        size = int.from_bytes(data[place : place + width], "big") & ((1 << 7 * width) - 1)
        yield _Element(number, start, place + width, place + width + size)
        start = place + width + size


def _element(number: int, body: bytes) -> bytes:
    """An element with the shortest form of its size, and its checksum, if it begins with one, made again."""
    width = next(width for width in range(1, 9) if len(body) < (1 << 7 * width) - 1)
    size = (len(body) | 1 << 7 * width).to_bytes(width, "big")
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + size + _sum_again(body)


def _sum_again(body: bytes) -> bytes:
    """``body`` with a right CRC-32, if it begins with one."""
    if body[:2] != bytes([_CRC, 0x84]):
        return body
    return body[:2] + zlib.crc32(body[6:]).to_bytes(4, "little") + body[6:]


def _replace(element: bytes, place: int, new: bytes) -> bytes:
    """``element`` with other bytes at ``place``, and its checksum made again."""
    changed = element[:place] + new + element[place + len(new) :]
    body = next(_children(changed, 0, len(changed))).body
    return changed[:body] + _sum_again(changed[body:])


def _move_target(seek_head: bytes, position: int, moved: int) -> bytes:
    """The seek head whose entry for ``position`` in the segment leads ``moved`` bytes before it."""
    whole = next(_children(seek_head, 0, len(seek_head)))
    for seek in _children(seek_head, whole.body, whole.end):
        for one in _children(seek_head, seek.body, seek.end) if seek.number == _SEEK else ():
            value = seek_head[one.body : one.end]
            if one.number == _SEEK_POSITION and int.from_bytes(value, "big") == position:
                return _replace(seek_head, one.body, (position - moved).to_bytes(len(value), "big"))
    return seek_head


def _square(tracks: bytes) -> bytes:
    """The tracks, in which a shape of pixels that is unknown is square: what players make of it, and what was meant."""
    whole = next(_children(tracks, 0, len(tracks)))
    for entry in _children(tracks, whole.body, whole.end):
        for video in _children(tracks, entry.body, entry.end) if entry.number == _TRACK_ENTRY else ():
            for one in _children(tracks, video.body, video.end) if video.number == _VIDEO else ():
                if one.number == _DISPLAY_UNIT and tracks[one.body : one.end] == bytes([_UNKNOWN_UNIT]):
                    tracks = _replace(tracks, one.body, bytes([_PIXELS]))
    return tracks
