"""The wire format of protocol buffers, as far as files of weights need it: fields by number, without any schema.

The format is that of Google's own description ("Encoding"). Files of Caffe and of TensorFlow are such messages.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["DamagedMessage", "fields", "numbers", "read_name", "read_varint"]

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


class DamagedMessage(Exception):
    """A message cannot be read; the text says why."""


def read_name(data: bytes | memoryview) -> str:
    """A name, UTF-8. Raises `UnicodeDecodeError`, or `DamagedMessage` where it holds what cannot be printed."""
    name = bytes(data).decode()
    if not name.isprintable():
        raise DamagedMessage(f"a name in it is {name!r}")
    return name


def read_varint(data: memoryview, place: int) -> tuple[int, int]:
    """The number that starts at ``place``, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise DamagedMessage("it ends within a number")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise DamagedMessage("a number in it has no end")


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: integers as they are, all else as bytes."""
    place = 0
    while place < len(data):
        key, place = read_varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = read_varint(data, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, place = read_varint(data, place)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise DamagedMessage(f"a field in it is of the unknown kind {kind}")
        if place + size > len(data):
            raise DamagedMessage("it ends within a field")
        yield key >> 3, data[place : place + size]
        place += size


def numbers(value: int | memoryview) -> list[int]:
    """The integers of a repeated field, packed or one by one."""
    if isinstance(value, int):
        return [value]
    found, place = [], 0
    while place < len(value):
        number, place = read_varint(value, place)
        found.append(number)
    return found
