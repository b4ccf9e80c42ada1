"""A true image and what degradations make of it, in a network's colour."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.frames import BT601_LUMA
from vsr.networks import Colour
from vsr.training.degradations import Chain

__all__ = ["as_colour", "degraded", "luma"]

_LUMA = [share * 219 / 255 for share in BT601_LUMA]
_BLACK = 16.0


def luma(rgb: Tensor) -> Tensor:
    """``(..., 3, H, W)`` in 0…255 → ``(..., 1, H, W)``, BT.601, 16…235, unrounded."""
    red, green, blue = (rgb[..., number : number + 1, :, :] for number in range(3))
    return (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2]).add_(_BLACK)


def as_colour(rgb: Tensor, colour: Colour) -> Tensor:
    """``(..., H, W, 3)`` uint8 as ``colour``, ``(..., C, H, W)`` float32 in 0…255."""
    planes = rgb.movedim(-1, -3).float()
    return luma(planes) if colour == "Y" else planes


def degraded(rgb: Tensor, chain: Chain, colour: Colour, generator: torch.Generator) -> Tensor:
    """``(T, H, W, 3)`` uint8 → ``(T, C, h, w)`` float32 as a network of ``colour`` gets it: luma, or RGB of 8 bits."""
    is_luma = chain.is_linear and colour == "Y"  # the same as the luma of what is made of RGB
    images = as_colour(rgb, colour) if is_luma else rgb.movedim(-1, -3).float()
    small = chain(images, generator)
    if colour == "RGB":
        return small.round().clamp(0, 255)
    return small if is_luma else luma(small)
