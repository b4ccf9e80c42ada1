"""Several degradations in an order that changes from image to image.

After BSRGAN (Zhang, Liang, Van Gool, Timofte, "Designing a practical degradation model for deep blind image
super-resolution", ICCV 2021): what happens first in the world is not known, so a network should not count on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.training.degradations.base import Step

__all__ = ["Shuffled"]


@dataclass(frozen=True)
class Shuffled(Step):
    """All of its parts, in random order."""

    parts: tuple[Step, ...] = ()

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """As its parts, one after the other."""
        for index in torch.randperm(len(self.parts), generator=generator).tolist():
            images = self.parts[index](images, generator)
        return images

    def shrinks(self) -> bool:
        """Whether a part does."""
        return any(part.shrinks() for part in self.parts)

    def steps(self) -> tuple[Step, ...]:
        """Its parts, themselves taken apart."""
        return tuple(step for part in self.parts for step in part.steps())
