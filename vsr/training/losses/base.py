"""What a loss is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from vsr.networks import Colour

__all__ = ["Loss", "LossNeeds"]


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
    """File with the weights of VGG-19."""
    discriminator: nn.Module | None
    """Judges pictures, for adversarial losses."""
