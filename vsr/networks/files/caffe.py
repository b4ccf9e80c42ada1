"""Weights of Caffe: a ``.caffemodel``, which is one message with the layers and their numbers.

A layer's blobs are its weights and, if there is a second one, its biases: ``LAYER.weight`` and ``LAYER.bias``. Layers
are read in the present form and in that of 2014. The ``.prototxt`` beside such a file holds no numbers and is not read.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.files.protobuf import DamagedMessage, fields, numbers, read_name

__all__ = ["is_caffe", "read_caffe"]

_LAYER, _LAYER_OF_2014 = 100, 2  # of a net
_NAME, _BLOBS = {_LAYER: 1, _LAYER_OF_2014: 4}, {_LAYER: 7, _LAYER_OF_2014: 6}  # of a layer
_SIDES, _FLOATS, _SHAPE = (1, 2, 3, 4), 5, 7  # of a blob; sides are those of 2014
_PARTS = ("weight", "bias")
_FOLLOWS_NAME = (b"\xa2\x06", b"\x12", b"\x1a")  # a layer, in either form, or the name of an input


def is_caffe(head: bytes) -> bool:
    """Whether a file that begins so is a net of Caffe with a name: the name, then layers or inputs."""
    if head[:1] != b"\x0a" or len(head) < 3:
        return False
    name, rest = head[2 : 2 + head[1]], head[2 + head[1] :]
    return head[1] < 0x80 and name.isascii() and name.decode("ascii").isprintable() and rest.startswith(_FOLLOWS_NAME)


def _blob(message: memoryview, name: str) -> Tensor:
    shape: list[int] = []
    sides = dict.fromkeys(_SIDES, 0)
    parts: list[memoryview] = []
    for number, value in fields(message):
        if number == _SHAPE and not isinstance(value, int):
            shape = [side for key, dims in fields(value) if key == 1 for side in numbers(dims)]
        elif number in sides and isinstance(value, int):
            sides[number] = value
        elif number == _FLOATS and not isinstance(value, int):
            parts.append(value)
    data = b"".join(parts)
    shape = shape or [side for side in sides.values() if side]
    if len(data) != 4 * math.prod(shape):
        raise DamagedMessage(f"layer {name} should hold {math.prod(shape):,} numbers and holds {len(data) // 4:,}")
    return torch.from_numpy(np.frombuffer(data, "<f4").reshape(shape).astype(np.float32))


def _layer(message: memoryview, form: int) -> dict[str, Tensor]:
    name, blobs = "", []
    for number, value in fields(message):
        if isinstance(value, int):
            continue
        if number == _NAME[form]:
            name = read_name(value)
        elif number == _BLOBS[form]:
            blobs.append(value)
    if len(blobs) > len(_PARTS):
        raise DamagedMessage(f"layer {name} holds {len(blobs)} blobs; weights and biases alone are read")
    tensors = {part: _blob(blob, name) for part, blob in zip(_PARTS, blobs, strict=False)}
    if "bias" in tensors:
        tensors["bias"] = tensors["bias"].flatten()  # four sides in the form of 2014
    return {f"{name}.{part}": tensor for part, tensor in tensors.items()}


def read_caffe(path: Path) -> dict[str, Tensor]:
    """Tensors ``LAYER.weight`` and ``LAYER.bias``, float32; `ModelError` where the file is damaged."""
    tensors: dict[str, Tensor] = {}
    try:
        for number, value in fields(memoryview(path.read_bytes())):
            if number in _NAME and not isinstance(value, int):
                tensors |= _layer(value, number)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except (DamagedMessage, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: a net of Caffe that cannot be read ({error}); fetch it again") from error
    return tensors
