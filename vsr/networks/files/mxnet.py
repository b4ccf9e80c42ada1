"""Weights of MXNet: a ``.params``, which is a list of arrays and then a list of their names.

The form is that of MXNet's ``NDArray::Save``, second version: for each array a magic number, its storage, its shape,
its device, its type and its numbers. Names begin with ``arg:`` (learnt) or ``aux:`` (statistics), which comes off.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsr.errors import ModelError

__all__ = ["MXNET_MAGIC", "read_mxnet"]

MXNET_MAGIC = struct.pack("<QQ", 0x112, 0)
"""First bytes of such a file."""

_ARRAY = 0xF993FAC9
_DENSE = 0
_TYPES = {0: "<f4", 1: "<f8", 2: "<f2"}
_MOST_DIMENSIONS = 8


class _Damaged(Exception):
    """What is wrong with a file, in words."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, len(MXNET_MAGIC)

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self._place:
            raise _Damaged("it ends too early")
        self._place += size
        return self._data[self._place - size : self._place]

    def integers(self, form: str) -> tuple[int, ...]:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def array(self) -> Tensor:
        magic, storage, dimensions = self.integers("IiI")
        if magic != _ARRAY or storage != _DENSE or dimensions > _MOST_DIMENSIONS:
            raise _Damaged("an array in it is sparse, or of another version of MXNet")
        shape = self.integers(f"{dimensions}q")
        *_, kind = self.integers("iii")
        if kind not in _TYPES or min(shape, default=0) < 1:
            raise _Damaged(f"an array in it is empty, or holds no floating-point numbers (type {kind})")
        values = np.frombuffer(self.take(math.prod(shape) * np.dtype(_TYPES[kind]).itemsize), _TYPES[kind])
        return torch.from_numpy(values.reshape(shape).astype(np.float32))

    def name(self) -> str:
        (size,) = self.integers("Q")
        name = self.take(size).decode()
        if not name.isprintable():
            raise _Damaged(f"a name in it is {name!r}")
        return name


def _tensors(data: bytes) -> dict[str, Tensor]:
    reader = _Reader(data)
    (count,) = reader.integers("Q")
    arrays = [reader.array() for _ in range(count)]
    (named,) = reader.integers("Q")
    if named != count:
        raise _Damaged(f"it has {count} arrays and {named} names")
    return {reader.name().removeprefix("arg:").removeprefix("aux:"): array for array in arrays}


def read_mxnet(path: Path) -> dict[str, Tensor]:
    """Arrays by name, float32; `ModelError` where the file is damaged or holds what cannot be read."""
    try:
        return _tensors(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except (_Damaged, UnicodeDecodeError, OverflowError) as error:
        raise ModelError(f"{path}: weights of MXNet that cannot be read ({error}); fetch them again") from error
