"""Back to where it came from: what was made, made small again, should be what was given."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from vsr.observation import resample

__all__ = ["cycle", "shrunk"]


@lru_cache(maxsize=16)
def _matrix(size: int, scale: int, device: torch.device) -> Tensor:
    """``(size / scale, size)``: antialiased bicubic interpolation of a column."""
    unit = torch.eye(size, dtype=torch.float64)
    return resample(unit, (size // scale, size), kernel="bicubic").float().to(device)


def shrunk(pictures: Tensor, scale: int) -> Tensor:
    """``(B, C, H, W)`` → ``(B, C, H / scale, W / scale)``, as `vsr.observation.resample`, with gradients."""
    height, width = pictures.shape[-2:]
    down, across = _matrix(height, scale, pictures.device), _matrix(width, scale, pictures.device)
    return down @ pictures @ across.T


def cycle(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """Mean of |made, bicubically made small, - small|. Right where bicubic is what made the pictures small."""
    return (shrunk(made, made.shape[-1] // small.shape[-1]) - small).abs().mean()
