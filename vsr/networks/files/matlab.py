"""Reading MATLAB 5 files (``.mat``, also compressed): numbers, text, cells and structs, and nothing else.

The format is public ("MAT-File Format", The MathWorks). Arrays come out with their rows as rows, whatever the order
in the file. Function handles and objects of classes are refused: they would need MATLAB.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vsr.errors import ModelError

__all__ = ["MatCell", "MatStruct", "MatValue", "read_matlab"]


@dataclass(frozen=True)
class MatCell:
    """A cell array, its values in column-major order."""

    values: tuple[MatValue, ...]


@dataclass(frozen=True)
class MatStruct:
    """A struct array: one record for each element, in column-major order."""

    records: tuple[dict[str, MatValue], ...]


MatValue = np.ndarray[Any, np.dtype[Any]] | str | MatCell | MatStruct
"""What a variable may hold."""

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _FIRST_NUMBER, _LAST_NUMBER = 1, 2, 4, 6, 15
_CLASS_DTYPES = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
_COMPLEX = 0x0800
_MAX_BYTES = 1 << 28  # unpacked; the largest network published in this format has 7 MB
_MAX_DEPTH = 16


class _Damaged(Exception):
    """What is wrong, without the file's name."""


class _Unreadable(Exception):
    """What is not plain data, without the file's name."""


class _Reader:
    """Elements of a stretch of bytes, one after the other."""

    def __init__(self, data: memoryview, order: str) -> None:
        self._data = data
        self._order = order
        self._position = 0

    def more(self) -> bool:
        return self._position + 8 <= len(self._data)

    def _take(self, size: int) -> memoryview:
        start, self._position = self._position, self._position + size
        if self._position > len(self._data):
            raise _Damaged("it ends in the middle of a variable")
        return self._data[start : self._position]

    def element(self) -> tuple[int, memoryview]:
        """Type and content of the next element; short ones keep both in eight bytes."""
        kind, size = struct.unpack(self._order + "II", self._take(8))
        if kind >> 16:
            self._position -= 4
            return kind & 0xFFFF, self._take(4)[: kind >> 16]
        content = self._take(size)
        if kind != _COMPRESSED:
            self._position = min(len(self._data), self._position + -size % 8)
        return kind, content

    def numbers(self) -> np.ndarray[Any, np.dtype[Any]]:
        """The next element as a row of numbers."""
        kind, content = self.element()
        if kind not in _NUMBERS:
            raise _Damaged(f"numbers of an unknown type {kind}")
        dtype = np.dtype(self._order + _NUMBERS[kind])
        if len(content) % dtype.itemsize:
            raise _Damaged("a number is cut off")
        return np.frombuffer(content, dtype)

    def text(self) -> str:
        """The next element as text."""
        kind, content = self.element()
        if kind not in _TEXT:
            raise _Damaged(f"text of an unknown type {kind}")
        wide = _TEXT[kind] in ("utf-16", "utf-32")
        encoding = _TEXT[kind] + (("-le" if self._order == "<" else "-be") if wide else "")
        return bytes(content).decode(encoding, errors="replace")

    def matrix(self, depth: int = 0) -> tuple[str, MatValue]:
        """Name and value of the next element, which must be an array."""
        kind, content = self.element()
        if kind != _MATRIX or depth > _MAX_DEPTH:
            raise _Damaged(f"an array was expected, found type {kind}" if kind != _MATRIX else "nested too deep")
        if not content:
            return "", np.zeros((0, 0))
        return _Reader(content, self._order)._array(depth)

    def _array(self, depth: int) -> tuple[str, MatValue]:
        flags = int(self.numbers()[0])
        shape = tuple(int(size) for size in self.numbers())
        name = self.text()
        kind, size = flags & 0xFF, math.prod(shape)
        if any(length < 0 for length in shape) or (size > len(self._data) and kind != _STRUCT):
            raise _Damaged(f"{name or 'a value'} claims the size {shape}, more than the file holds")
        if kind == _CHAR:
            return name, self.text() if size else ""
        if kind == _CELL:
            return name, MatCell(tuple(self.matrix(depth + 1)[1] for _ in range(size)))
        if kind == _STRUCT:
            return name, self._struct(size, depth)
        if not _FIRST_NUMBER <= kind <= _LAST_NUMBER or flags & _COMPLEX:
            raise _Unreadable(f"{name or 'a value'} is of class {kind}")
        values = self.numbers()
        if values.size != size:
            raise _Damaged(f"{name or 'a value'} has {values.size} numbers, its size {shape} wants {size}")
        return name, values.astype(_CLASS_DTYPES[kind - _FIRST_NUMBER]).reshape(shape, order="F")

    def _struct(self, size: int, depth: int) -> MatStruct:
        width = int(self.numbers()[0])
        kind, content = self.element()
        if width < 1 or kind not in _TEXT:
            raise _Damaged("names of a struct's fields cannot be read")
        packed = bytes(content)
        names = [
            packed[start : start + width].split(b"\0")[0].decode("latin-1") for start in range(0, len(packed), width)
        ]
        if not names:
            return MatStruct(())
        return MatStruct(tuple({name: self.matrix(depth + 1)[1] for name in names} for _ in range(size)))


def _unpack(content: memoryview, room: int) -> memoryview:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(content, room)
    if unpacker.unconsumed_tail:
        raise _Damaged(f"it unpacks to more than {_MAX_BYTES >> 20} MiB")
    if not unpacker.eof:
        raise _Damaged("a compressed variable is cut off")
    return memoryview(data)


def _variables(data: memoryview, order: str) -> dict[str, MatValue]:
    reader, room = _Reader(data, order), _MAX_BYTES
    variables: dict[str, MatValue] = {}
    while reader.more():
        start = reader._position
        kind, content = reader.element()
        if kind == _COMPRESSED:
            unpacked = _unpack(content, room)
            room -= len(unpacked)
            name, value = _Reader(unpacked, order).matrix()
        else:
            reader._position = start
            name, value = reader.matrix()
        variables[name] = value
    return variables


def read_matlab(path: Path) -> dict[str, MatValue]:
    """Variables of a MATLAB 5 file by name; `ModelError` if it is damaged or holds what cannot be read."""
    try:
        data = path.read_bytes()
        if len(data) < 128 or data[126:128] not in (b"IM", b"MI"):
            raise _Damaged("its header is cut off")
        return _variables(memoryview(data)[128:], "<" if data[126:128] == b"IM" else ">")
    except _Unreadable as error:
        raise ModelError(f"{path}: {error}; only real numbers, text, cells and structs can be read") from error
    except (_Damaged, zlib.error, IndexError, ValueError, MemoryError) as error:
        raise ModelError(f"{path}: a damaged MATLAB file ({error}); fetch it again") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
