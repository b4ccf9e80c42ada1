"""Weights of ncnn: a ``.param`` that lists the layers in text, and a ``.bin`` beside it with their numbers.

The form is that of ncnn's own documentation ("param and model file structure"). A convolution's weights begin with four
bytes that tell their type, 0 for float32, 0x01306B47 for float16, and end at a multiple of four bytes; its biases
follow as float32, as do the slopes of a PReLU. Layers without weights, plain convolutions and PReLUs alone are read:
where another layer's numbers end cannot be known without knowing the layer.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.files.ncnn_layouts import names_of_authors

__all__ = ["NCNN_MAGIC", "read_ncnn"]

NCNN_MAGIC = b"7767517"
"""First line of a ``.param``."""

_FLOAT32, _FLOAT16 = 0, 0x01306B47
_WEIGHTLESS = ("Concat", "Crop", "Eltwise", "BinaryOp", "Input", "PixelShuffle", "ReLU", "Sigmoid", "Split")
_MOST_BYTES = 1 << 20  # of a .param: the largest networks list some thousand layers


class _Damaged(Exception):
    """What is wrong with a file, in words."""


class _Unsupported(Exception):
    """What a sound file holds that is not read, in words."""


def _layers(text: str) -> list[tuple[str, str, dict[str, str]]]:
    """Type, name and settings of each layer."""
    lines = [line.split() for line in text.splitlines()[1:] if line.strip()]
    if not lines or len(lines[0]) != 2 or not all(word.isdecimal() for word in lines[0]):
        raise _Damaged("the counts of layers and blobs are not in its second line")
    if len(lines) - 1 != int(lines[0][0]):
        raise _Damaged(f"it tells {lines[0][0]} layers and lists {len(lines) - 1}")
    layers = []
    for words in lines[1:]:
        if len(words) < 4 or not (words[2].isdecimal() and words[3].isdecimal()):
            raise _Damaged(f"the layer {' '.join(words)[:40]!r} cannot be read")
        settings = words[4 + int(words[2]) + int(words[3]) :]
        if not all("=" in setting for setting in settings):
            raise _Damaged(f"the settings of layer {words[1]} cannot be read")
        layers.append((words[0], words[1], dict(setting.split("=", 1) for setting in settings)))
    return layers


class _Numbers:
    """Reads a ``.bin`` from its start."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def _take(self, kind: str, count: int, name: str) -> Tensor:
        size = np.dtype(kind).itemsize * count
        if self._place + size > len(self._data):
            raise _Damaged(f"its .bin ends within layer {name}")
        values = np.frombuffer(self._data, kind, count, self._place).astype(np.float32)
        self._place += -(-size // 4) * 4
        return torch.from_numpy(values)

    def floats(self, count: int, name: str) -> Tensor:
        """Float32 as it is."""
        return self._take("<f4", count, name)

    def weights(self, count: int, name: str) -> Tensor:
        """Numbers whose type stands ahead of them, as float32."""
        if self._place + 4 > len(self._data):
            raise _Damaged(f"its .bin ends ahead of layer {name}")
        (flag,) = struct.unpack_from("<I", self._data, self._place)
        self._place += 4
        if flag not in (_FLOAT32, _FLOAT16):
            raise _Damaged(f"weights of layer {name} are neither float32 nor float16 (type {flag:#010x})")
        return self._take("<f4" if flag == _FLOAT32 else "<f2", count, name)

    def end(self) -> None:
        """Raise where something is left."""
        if self._place < len(self._data):
            raise _Damaged(f"its .bin has {len(self._data) - self._place:,} bytes more than the layers hold")


def _convolution(name: str, settings: dict[str, str], numbers: _Numbers) -> dict[str, Tensor]:
    try:
        width, size = int(settings["0"]), int(settings["1"])
        tall, count = int(settings.get("11", size)), int(settings["6"])
        has_bias = int(settings.get("5", "0")) == 1
    except (KeyError, ValueError) as error:
        raise _Damaged(f"the settings of layer {name} cannot be read") from error
    if min(width, size, tall, count) < 1 or count % (width * size * tall):
        raise _Damaged(f"layer {name} has {count} weights, which do not make {width} kernels of {size}x{tall}")
    tensors = {f"{name}.weight": numbers.weights(count, name).reshape(width, -1, tall, size)}
    return {**tensors, f"{name}.bias": numbers.floats(width, name)} if has_bias else tensors


def _slopes(name: str, settings: dict[str, str], numbers: _Numbers) -> dict[str, Tensor]:
    count = settings.get("0", "")
    if not count.isdecimal() or int(count) < 1:
        raise _Damaged(f"the settings of layer {name} cannot be read")
    return {f"{name}.weight": numbers.floats(int(count), name)}


def _check_enlarges(name: str, settings: dict[str, str]) -> None:
    """Some networks of ×2 and ×3 are one of ×4 whose result is made smaller again, which weights do not show."""
    try:
        factors = [float(settings.get(key, "1")) for key in ("1", "2")]
    except ValueError as error:
        raise _Damaged(f"the settings of layer {name} cannot be read") from error
    if min(factors) < 1:
        raise _Unsupported(
            f"layer {name} makes the result smaller by {min(factors):g}; take the file of the larger scale"
        )


def _tensors(text: str, data: bytes) -> dict[str, Tensor]:
    numbers, tensors = _Numbers(data), dict[str, Tensor]()
    for kind, name, settings in _layers(text):
        if kind == "Convolution":
            tensors |= _convolution(name, settings, numbers)
        elif kind == "PReLU":
            tensors |= _slopes(name, settings, numbers)
        elif kind == "Interp":
            _check_enlarges(name, settings)
        elif kind not in _WEIGHTLESS:
            raise _Unsupported(f"layer {name} is of type {kind}; convolutions and PReLUs alone are read")
    numbers.end()
    return names_of_authors(tensors)


def read_ncnn(path: Path) -> dict[str, Tensor]:
    """Tensors ``LAYER.weight`` and ``LAYER.bias`` of the ``.param`` at ``path`` with its ``.bin`` beside it, float32.

    Layers are called as in the file, those of ESRGAN's networks as by their authors (`names_of_authors`).

    `ModelError` where one of the two is missing, damaged, or holds what cannot be read.
    """
    numbers = path.with_suffix(".bin")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _Damaged("it is larger than any list of layers")
        text = path.read_bytes().decode()
        data = numbers.read_bytes()
        return _tensors(text, data)
    except FileNotFoundError as error:
        raise ModelError(
            f"{path}: lists an ncnn network whose numbers are missing; put {numbers.name} beside it"
        ) from error
    except OSError as error:
        raise ModelError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
    except _Unsupported as error:
        raise ModelError(f"{path}: an ncnn network that is not read: {error}") from error
    except (_Damaged, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: an ncnn network that cannot be read ({error}); fetch both files again") from error
