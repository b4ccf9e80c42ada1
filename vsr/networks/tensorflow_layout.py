"""Weights with the names and the order of axes that TensorFlow gives them, as PyTorch has them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

__all__ = ["is_tensorflow", "weights_from_tensorflow"]

_KERNELS = ("/kernel", "/weights")  # of Keras and tf.layers, and of tf.contrib.slim
_BIASES = "/biases"  # of tf.contrib.slim


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
