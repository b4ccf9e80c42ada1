"""From a file to named tensors, whatever its format, with everything refused that is no set of sound weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.base import Shapes
from vsr.networks.caffe_files import read_caffe
from vsr.networks.file_kinds import FileKind, weights_kind
from vsr.networks.matlab_files import read_matlab
from vsr.networks.matlab_layouts import weights_from_matlab
from vsr.networks.mxnet_files import read_mxnet
from vsr.networks.ncnn_files import read_ncnn
from vsr.networks.safetensors_files import read_safetensors
from vsr.networks.tensorflow_files import read_tensorflow
from vsr.networks.tensorflow_layout import is_tensorflow, weights_from_tensorflow
from vsr.networks.torch_files import read_torch

__all__ = ["Checkpoint", "read_checkpoint"]


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
    """Read weights; the format is told from the content. Raises `ModelError` that says what is wrong with the file."""
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
