"""From a file to named tensors; anything that is not a valid set of weights is refused.

The format is recognised by the first and last bytes, never by the name.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.base import Shapes
from vsr.networks.files.caffe import is_caffe, read_caffe
from vsr.networks.files.matlab import read_matlab
from vsr.networks.files.matlab_layouts import weights_from_matlab
from vsr.networks.files.mxnet import MXNET_MAGIC, read_mxnet
from vsr.networks.files.ncnn import NCNN_MAGIC, read_ncnn
from vsr.networks.files.pytorch import read_torch
from vsr.networks.files.safetensors import read_safetensors
from vsr.networks.files.tensorflow import TENSORFLOW_MAGIC, is_tensorflow, read_tensorflow, weights_from_tensorflow

__all__ = ["Checkpoint", "FileKind", "read_checkpoint", "weights_kind"]

FileKind = Literal["safetensors", "torch-zip", "torch-legacy", "matlab5", "ncnn", "caffe", "mxnet", "tensorflow"]
"""A format of weights that can be read. Old torch files are plain pickles with a magic number in front."""

_EXPECTED = (
    "expected weights: .safetensors, .pth or .pt of torch, .mat of MATLAB 5, .param of ncnn, .caffemodel of Caffe, "
    ".params of MXNet, or .index of TensorFlow"
)
_HEAD_BYTES = 512
_DATA_IN_NAME = ".data-"
_LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.serialization.MAGIC_NUMBER as a pickled integer

_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the weights themselves; fetch them with git lfs pull"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras, or MATLAB 7.3: save it again with -v7)"),
    (0, b"MATLAB 7.3", "a MATLAB 7.3 file; save it again with -v7"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"BM", "a BMP image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (4, b"ftyp", "an MP4 or MOV video"),
    (0, b"RIFF", "an AVI, WAV or WebP file"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it first"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive; unpack it first"),
    (0, b"Rar!", "a RAR archive; unpack it first"),
    (0, b"\x47\x6b\x30\x01", "the numbers of an ncnn network; name its .param, with this file beside it"),
    (0, b"\xdd\x85\x76\x00", "an ncnn .param in binary form; the one in text is read"),
    (257, b"ustar", "a tar archive (torch before 0.1.10 wrote such; save the weights again with a newer torch)"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"%PDF", "a PDF document"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"<", "an HTML or XML page, perhaps a download that went wrong"),
)


def _is_safetensors(head: bytes, size: int) -> bool:
    """A length, then a JSON object of that length."""
    if len(head) < 9:
        return False
    (length,) = struct.unpack("<Q", head[:8])
    return head[8:9] == b"{" and 2 <= length <= 100_000_000 and (length + 8 <= size or head[8:10] in (b'{"', b"{}"))


def _foreign(head: bytes) -> str:
    for offset, magic, what in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            return what
    if head[:1] == b"\x80":
        return "a Python pickle that torch did not write"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head[:64]):
        return "a text file"
    return "no format known here, or damaged from its first bytes on"


def weights_kind(path: Path) -> FileKind:
    """The format of a file of weights; raises `ModelError` that says what the file is if it holds none."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise ModelError(f"{path}: a pipe or a device, not a file; {_EXPECTED}")
        size = status.st_size
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            file.seek(max(0, size - len(TENSORFLOW_MAGIC)))
            tail = file.read(len(TENSORFLOW_MAGIC))
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file; {_EXPECTED}") from error
    except IsADirectoryError as error:
        raise ModelError(f"{path}: a folder; {_EXPECTED}") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {_EXPECTED}") from error
    if not head:
        raise ModelError(f"{path}: the file is empty; {_EXPECTED}")
    if head[:4] == b"PK\x03\x04":
        return "torch-zip"
    if _LEGACY_MAGIC in head[:24]:
        return "torch-legacy"
    if head.startswith(b"MATLAB 5.0 MAT-file"):
        return "matlab5"
    if head.split(maxsplit=1)[:1] == [NCNN_MAGIC]:
        return "ncnn"
    if head.startswith(MXNET_MAGIC):
        return "mxnet"
    if tail == TENSORFLOW_MAGIC:
        return "tensorflow"
    if is_caffe(head):
        return "caffe"
    if _is_safetensors(head, size):
        return "safetensors"
    if _DATA_IN_NAME in path.name:
        index = path.name.partition(_DATA_IN_NAME)[0] + ".index"
        raise ModelError(f"{path}: the numbers of a TensorFlow checkpoint; name its {index}, with this file beside it")
    raise ModelError(f"{path}: {_foreign(head)}; {_EXPECTED}")


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors from a file: floating-point ones in float32, all finite; counters as they are."""

    path: Path
    kind: FileKind
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What a safetensors file says of itself."""

    @property
    def shapes(self) -> Shapes:
        """Names and shapes."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}


def _sound(path: Path, name: str, tensor: Tensor) -> Tensor:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
        raise ModelError(f"{path}: {name} is sparse, quantised or complex; expected plain numbers")
    if tensor.device.type != "cpu":
        raise ModelError(f"{path}: {name} has a shape but no values")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ModelError(f"{path}: {name} claims {tensor.numel():,} numbers, more than the file holds")
    if not tensor.is_floating_point():
        return tensor
    values = tensor.to(torch.float32).contiguous()
    if not bool(torch.isfinite(values).all()):
        bad = int((~torch.isfinite(values)).sum())
        raise ModelError(f"{path}: {name} has {bad} of {values.numel():,} weights that are NaN or infinite; refused")
    return values


def read_checkpoint(path: Path) -> Checkpoint:
    """Read weights; the format is recognised by the content. Raises `ModelError` for a damaged or unknown file."""
    kind = weights_kind(path)
    metadata: Mapping[str, str] = {}
    if kind == "safetensors":
        tensors, metadata = read_safetensors(path)
        tensors = weights_from_tensorflow(tensors) if is_tensorflow(tensors) else tensors
    elif kind == "matlab5":
        tensors = weights_from_matlab(path, read_matlab(path))
    elif kind == "ncnn":
        tensors = read_ncnn(path)
    elif kind == "caffe":
        tensors = read_caffe(path)
    elif kind == "mxnet":
        tensors = read_mxnet(path)
    elif kind == "tensorflow":
        tensors = weights_from_tensorflow(read_tensorflow(path))
    else:
        tensors = read_torch(path, is_archive=kind == "torch-zip")
    if not tensors:
        raise ModelError(f"{path}: holds no weights")
    sound = {name: _sound(path, name, tensor) for name, tensor in tensors.items()}
    return Checkpoint(path, kind, sound, metadata)
