"""Weights of ncnn under the names that networks of the field have in PyTorch.

ncnn's layers bear the numbers of the operations that they were exported from, so networks are recognised by the order
and the shapes of their layers: Real-ESRGAN compact (SRVGGNetCompact), and RRDBNet of ESRGAN and Real-ESRGAN at ×4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

__all__ = ["names_of_authors"]

_DENSE, _IN_BLOCK = 5, 15  # convolutions of a dense block, and of the three that make a residual one
_AROUND = 6  # convolutions ahead of the blocks and behind them


def names_of_authors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``tensors`` of layers in their order, renamed where they are one of the module's networks, else as they are."""
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in tensors))
    kernels = [tensors[f"{layer}.weight"] for layer in layers]
    names = _compact(kernels) or _rrdb(kernels)
    if names is None:
        return dict(tensors)
    places = dict(zip(layers, names, strict=True))
    renamed = ((*name.rpartition(".")[::2], tensor) for name, tensor in tensors.items())
    return {f"{places[layer]}.{kind}": tensor for layer, kind, tensor in renamed}


def _compact(kernels: list[Tensor]) -> list[str] | None:
    """A PReLU behind each convolution but the last."""
    if len(kernels) < 3 or [kernel.dim() for kernel in kernels] != ([4, 1] * len(kernels))[: len(kernels)]:
        return None
    return [f"body.{number}" for number in range(len(kernels))] if kernels[-1].dim() == 4 else None


def _rrdb(kernels: list[Tensor]) -> list[str] | None:
    """Dense blocks, each convolution of which sees what those before it gave."""
    num_blocks, left = divmod(len(kernels) - _AROUND, _IN_BLOCK)
    if num_blocks < 1 or left or any(kernel.dim() != 4 for kernel in kernels):
        return None
    width, growth = kernels[0].shape[0], kernels[1].shape[0]
    inside = [width + growth * place for place in range(_DENSE)] * 3 * num_blocks
    seen = [kernel.shape[1] for kernel in kernels]
    return list(_rrdb_names(num_blocks)) if seen[1:] == [*inside, *[width] * (_AROUND - 1)] else None


def _rrdb_names(num_blocks: int) -> Iterator[str]:
    yield "conv_first"
    for block in range(num_blocks):
        for dense in range(1, 4):
            for place in range(1, _DENSE + 1):
                yield f"body.{block}.rdb{dense}.conv{place}"
    yield from ("conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")
