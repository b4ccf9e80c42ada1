"""Kernels found by a trained network: one conditioned on kernels that needs none to be given (KXNet, IKC)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from vsr.errors import ModelError
from vsr.inference.probe import exact_convolutions
from vsr.methods.kernel_estimation.base import Crops
from vsr.networks import ConditionedUpscaler, load_network
from vsr.observation.block_kernels import centre_kernel

__all__ = ["estimate_by_network", "load_kernel_finder"]

_PART_PX = 96  # side of the part of each frame that is looked at
_LEAST_PX = 48
_MOST_FRAMES = 5
_SEED = 5


@lru_cache(maxsize=2)
def load_kernel_finder(name_or_path: str, scale: int) -> tuple[ConditionedUpscaler, str]:
    """A network that finds kernels, in float32 on the CPU, and the digest of its weights.

    Raises `ModelError` for what cannot be read, or is another network.
    """
    network = load_network(name_or_path, scale)
    module = network.module
    if not isinstance(module, ConditionedUpscaler) or not module.finds_kernels:
        raise ModelError(f"{network.source or name_or_path}: holds {network.name}, which finds no kernels")
    return module, network.digest


def estimate_by_network(lumas: Sequence[Tensor], scale: int, *, steps: int, prior: nn.Module | None) -> Tensor | None:
    """What the network ``prior`` finds in the most detailed parts of the first frames, taken for grey."""
    assert isinstance(prior, ConditionedUpscaler), "the row says that it needs one"
    side = min(_PART_PX, *(min(luma.shape) for luma in lumas))
    if side < _LEAST_PX:
        return None
    parts = [Crops([luma], side, torch.Generator().manual_seed(_SEED)).most_detailed() for luma in lumas[:_MOST_FRAMES]]
    with torch.inference_mode(), exact_convolutions():
        kernel = prior.find_kernel(torch.cat(parts).expand(-1, 3, -1, -1)).clone()
    return centre_kernel(kernel, scale) if bool(torch.isfinite(kernel).all()) else None
