"""Weights with the names and the order of axes that TensorFlow gives them, as PyTorch has them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

__all__ = ["is_tensorflow", "weights_from_tensorflow"]

_KERNEL = "/kernel"


def is_tensorflow(tensors: Mapping[str, Tensor]) -> bool:
    """Whether there are names such as ``layer0/kernel``."""
    return any(name.endswith(_KERNEL) for name in tensors)


def weights_from_tensorflow(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``a/b/kernel`` (height, width, inputs, outputs) as ``a.b.weight`` (outputs, inputs, height, width).

    Other tensors keep their values: ``a/b/bias`` is ``a.b.bias``.
    """
    found = {}
    for name, values in tensors.items():
        if name.endswith(_KERNEL):
            weight = values.permute(3, 2, 0, 1).contiguous() if values.dim() == 4 else values
            found[name.removesuffix(_KERNEL).replace("/", ".") + ".weight"] = weight
        else:
            found[name.replace("/", ".")] = values
    return found
