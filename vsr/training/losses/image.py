"""What a loss is, and losses that compare images by their samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor, nn

from vsr.networks import Colour
from vsr.observation import resample

__all__ = ["Loss", "LossNeeds", "charbonnier", "cycle", "l1", "l2", "shrunk", "ssim_loss", "total_variation"]


class Loss(Protocol):
    """How far what was made is from what it should be."""

    def __call__(self, made: Tensor, true: Tensor, small: Tensor) -> Tensor:
        """``made`` and ``true`` are ``(B, C, scale·h, scale·w)``, ``small`` ``(B, C, h, w)``, float32 in about 0…1.

        A mean over everything, so that it does not grow with the size of the batch; differentiable in ``made``.
        """
        ...


@dataclass(frozen=True)
class LossNeeds:
    """What losses may be made from."""

    scale: int
    colour: Colour
    vgg: str | None
    """File with the weights of VGG-19 or VGG-16."""
    discriminator: nn.Module | None
    """Judges images, for adversarial losses."""


_CHARBONNIER_EPS = 1e-3  # of Lai et al., LapSRN, CVPR 2017, for values in 0…1


def l1(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """Mean of |made - true|."""
    return (made - true).abs().mean()


def l2(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """Mean of (made - true)²."""
    return (made - true).square().mean()


def charbonnier(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """Mean of √((made - true)² + ε²), ε = 0.001: |·| without its corner."""
    return ((made - true).square() + _CHARBONNIER_EPS**2).sqrt().mean()


_WINDOW = 11


def ssim_loss(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """1 - SSIM over all whole 11×11 windows of all channels, sigma 1.5; peak 1. Sides of at least 11."""
    from kornia.metrics import ssim

    if min(made.shape[-2:]) < _WINDOW:
        raise ValueError(f"SSIM needs at least {_WINDOW}x{_WINDOW} pixels, got {tuple(made.shape[-2:])}")
    return 1 - ssim(made, true, _WINDOW, max_val=1.0, padding="valid").mean()


_EPS = 1e-6  # keeps the root's slope finite where an image is flat


def total_variation(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """Isotropic: mean of √(dx² + dy² + ε²) where both differences exist, so the last row and column have none."""
    across = made[..., :-1, 1:] - made[..., :-1, :-1]
    down = made[..., 1:, :-1] - made[..., :-1, :-1]
    return (across.square() + down.square() + _EPS**2).sqrt().mean()


@lru_cache(maxsize=16)
def _matrix(size: int, scale: int, device: torch.device) -> Tensor:
    """``(size / scale, size)``: antialiased bicubic interpolation of a column."""
    unit = torch.eye(size, dtype=torch.float64)
    return resample(unit, (size // scale, size), kernel="bicubic").float().to(device)


def shrunk(images: Tensor, scale: int) -> Tensor:
    """``(B, C, H, W)`` → ``(B, C, H / scale, W / scale)``, as `vsr.observation.resample`, with gradients."""
    height, width = images.shape[-2:]
    down, across = _matrix(height, scale, images.device), _matrix(width, scale, images.device)
    return down @ images @ across.T


def cycle(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """Mean of |made, bicubically downscaled, - small|. Right where bicubic is what made the images small."""
    return (shrunk(made, made.shape[-1] // small.shape[-1]) - small).abs().mean()
