"""Checkpoints of TensorFlow: a sorted table of messages, with the numbers in it (V1) or in a file beside it (V2).

Both begin with LevelDB's table format: blocks of keys and values, found through a footer that ends with a magic number.
In V1, one file, an entry is a slice of a tensor with its numbers. In V2, ``NAME.index``, an entry tells where in
``NAME.data-00000-of-00001`` the numbers lie. What optimisers keep is left out. Checksums are not looked at.
Names and the order of axes are then made PyTorch's.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.files.protobuf import DamagedMessage, fields, numbers, read_name, read_varint

__all__ = ["TENSORFLOW_MAGIC", "is_tensorflow", "read_tensorflow", "weights_from_tensorflow"]

_KERNELS = ("/kernel", "/weights")  # of Keras and tf.layers, and of tf.contrib.slim
_BIASES = "/biases"  # of tf.contrib.slim

TENSORFLOW_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
"""Last bytes of such a table."""

_FOOTER_BYTES = 48
_DATA_SUFFIX = ".data-00000-of-00001"
_VARIABLE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOTS = "/.OPTIMIZER_SLOT/"
_FLOAT = 1  # of the types of tensors


def _block(data: memoryview, start: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values of a block. A key is stored as a suffix of the previous one."""
    if size < 4 or start + size >= len(data):
        raise DamagedMessage("a block of it lies outside the file")
    if data[start + size]:
        raise DamagedMessage("its blocks are compressed, which is not read")
    block = data[start : start + size]
    (restarts,) = struct.unpack("<I", block[-4:])
    stop = size - 4 - 4 * restarts
    place, key = 0, b""
    while place < stop:
        kept, place = read_varint(block, place)
        added, place = read_varint(block, place)
        length, place = read_varint(block, place)
        if place + added + length > stop:
            raise DamagedMessage("an entry of it is longer than its block")
        key = key[:kept] + bytes(block[place : place + added])
        place += added
        yield key, block[place : place + length]
        place += length


def _handle(data: memoryview, place: int) -> tuple[int, int, int]:
    """Start and size of a block, and the place behind them."""
    start, place = read_varint(data, place)
    size, place = read_varint(data, place)
    return start, size, place


def _entries(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    footer = data[-_FOOTER_BYTES:]
    _, _, place = _handle(footer, 0)
    start, size, _ = _handle(footer, place)
    for _, where in _block(data, start, size):
        first, length, _ = _handle(where, 0)
        yield from _block(data, first, length)


def _shape(message: memoryview) -> tuple[int, ...]:
    """Of a ``TensorShapeProto``: each side is a message with its size."""
    sides = []
    for number, value in fields(message):
        if number == 2 and not isinstance(value, int):
            sides.append(next((size for key, size in fields(value) if key == 1 and isinstance(size, int)), 0))
    return tuple(sides)


def _as_tensor(data: memoryview, shape: tuple[int, ...], name: str) -> Tensor:
    if len(data) != 4 * math.prod(shape):
        raise DamagedMessage(f"{name} should hold {math.prod(shape):,} numbers and holds {len(data) // 4:,}")
    return torch.from_numpy(np.frombuffer(data, "<f4").reshape(shape).astype(np.float32))


def _bytes(value: int | memoryview) -> memoryview:
    return memoryview(b"") if isinstance(value, int) else value


def _text(value: int | memoryview) -> str:
    return read_name(_bytes(value))


def _version1(entries: list[tuple[bytes, memoryview]]) -> dict[str, Tensor]:
    """The first entry has the shapes of all tensors, the others are slices with their numbers."""
    shapes: dict[str, tuple[int, ...]] = {}
    for _, head in (field for field in fields(entries[0][1]) if field[0] == 1):
        for _, each in (field for field in fields(_bytes(head)) if field[0] == 1):
            about = dict(fields(_bytes(each)))
            shapes[_text(about.get(1, 0))] = _shape(_bytes(about.get(2, 0)))
    tensors: dict[str, Tensor] = {}
    for _, entry in entries[1:]:
        piece = dict(fields(_bytes(dict(fields(entry)).get(2, 0))))
        name = _text(piece.get(1, 0))
        values = dict(fields(_bytes(piece.get(3, 0))))
        if name in tensors or name not in shapes:
            raise DamagedMessage(f"{name} is in several parts, which is not read")
        if 5 in values:
            tensors[name] = _as_tensor(_bytes(values[5]), shapes[name], name)
    return tensors


def _version2(entries: list[tuple[bytes, memoryview]], data: memoryview) -> dict[str, Tensor]:
    shards = dict(fields(entries[0][1])).get(1, 0)
    if shards != 1:
        raise DamagedMessage(f"its numbers lie in {shards} files, of which one is read")
    tensors: dict[str, Tensor] = {}
    for key, entry in entries[1:]:
        about = dict(fields(entry))
        name = read_name(key)
        if about.get(1) != _FLOAT or _SLOTS in name:
            continue
        start, size = (sum(numbers(about.get(number, 0))) for number in (4, 5))
        if start + size > len(data):
            raise DamagedMessage(f"the numbers of {name} lie outside its data")
        shape = _shape(_bytes(about.get(2, 0)))
        tensors[name.removesuffix(_VARIABLE)] = _as_tensor(data[start : start + size], shape, name)
    return tensors


def read_tensorflow(path: Path) -> dict[str, Tensor]:
    """Tensors by TensorFlow's names and in its order of axes, float32; see `vsr.networks.files.tensorflow`.

    `ModelError` where a file is missing, damaged, or holds what cannot be read.
    """
    beside = path.with_suffix(_DATA_SUFFIX)
    try:
        entries = list(_entries(memoryview(path.read_bytes())))
        if not entries or entries[0][0]:
            raise DamagedMessage("its first entry is missing")
        if any(key[:1] == b"\0" for key, _ in entries[1:]):
            return _version1(entries)
        return _version2(entries, memoryview(beside.read_bytes()))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path}: a checkpoint of TensorFlow whose numbers are missing; put {beside.name} beside it"
        ) from error
    except OSError as error:
        raise ModelError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
    except (DamagedMessage, UnicodeDecodeError, struct.error) as error:
        raise ModelError(f"{path}: a checkpoint of TensorFlow that cannot be read ({error}); fetch it again") from error


def is_tensorflow(tensors: Mapping[str, Tensor]) -> bool:
    """Whether there are names such as ``layer0/kernel``."""
    return any(name.endswith(_KERNELS) for name in tensors)


def weights_from_tensorflow(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``a/b/kernel`` (height, width, inputs, outputs) as ``a.b.weight`` (outputs, inputs, height, width).

    ``a/b/weights`` likewise. Other tensors keep their values: ``a/b/bias`` and ``a/b/biases`` are ``a.b.bias``.
    """
    found = {}
    for name, values in tensors.items():
        layer, slash, part = name.rpartition("/")
        if slash + part in _KERNELS:
            weight = values.permute(3, 2, 0, 1).contiguous() if values.dim() == 4 else values
            found[layer.replace("/", ".") + ".weight"] = weight
        else:
            found[(layer + "/bias" if slash + part == _BIASES else name).replace("/", ".")] = values
    return found
