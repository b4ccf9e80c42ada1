"""Making images small, as the papers do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vsr.observation import resample
from vsr.training.degradations.base import Step

__all__ = ["Bicubic"]


@dataclass(frozen=True)
class Bicubic(Step):
    """Antialiased bicubic interpolation, MATLAB's ``imresize``; values are not rounded. The scale is the run's."""

    is_linear: ClassVar[bool] = True
    is_random: ClassVar[bool] = False

    scale: int = 2
    """Of the run; not set by hand."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` → ``(T, C, H / scale, W / scale)``; sides must be multiples of the scale."""
        height, width = images.shape[-2:]
        return resample(images, (height // self.scale, width // self.scale), kernel="bicubic")

    def shrinks(self) -> bool:
        """Yes."""
        return True
