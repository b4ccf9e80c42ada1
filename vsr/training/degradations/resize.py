"""Resampling on the way: what was enlarged, made small and sharpened before it came here.

Both ways of mixing degradations that are in use have such steps: BSRGAN (Zhang, Liang, Van Gool, Timofte, ICCV 2021)
and the second-order process of Real-ESRGAN (Wang, Xie, Dong, Shan, ICCV 2021 workshops). There sizes change from step
to step; here images come back to their size, since one step alone makes them small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vsr.errors import UsageError
from vsr.observation import Kernel, resample
from vsr.training.degradations.base import Range, Step, check_probability, check_range, choose, happens, uniform
from vsr.training.degradations.blur import blurred

__all__ = ["Resize", "Sinc", "sinc_kernel"]

_KERNELS: tuple[Kernel | None, ...] = ("bicubic", "lanczos", None)
"""None: bilinear."""
_LEAST_FACTOR, _MOST_FACTOR = 0.2, 2.0
_LEAST_SIDE_PX = 4


@dataclass(frozen=True)
class Resize(Step):
    """Resampled to a random size, and back; both by interpolations drawn at random."""

    is_linear: ClassVar[bool] = True

    factor: Range = (0.5, 1.5)
    """Of the sides, the same for both."""
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("resize.factor", self.factor, _LEAST_FACTOR, _MOST_FACTOR)
        check_probability("resize.probability", self.probability)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` → the same."""
        occurs, factor = happens(self.probability, generator), uniform(self.factor, generator)
        there, back = (_KERNELS[choose(len(_KERNELS), generator)] for _ in range(2))
        height, width = (int(side) for side in images.shape[-2:])
        size = (max(_LEAST_SIDE_PX, round(height * factor)), max(_LEAST_SIDE_PX, round(width * factor)))
        if not occurs or size == (height, width):
            return images
        return _resized(_resized(images, size, there), (height, width), back)


def _resized(images: Tensor, size_yx: tuple[int, int], kernel: Kernel | None) -> Tensor:
    if kernel is not None:
        return resample(images, size_yx, kernel=kernel)
    return interpolate(images, size_yx, mode="bilinear", antialias=True)


@dataclass(frozen=True)
class Sinc(Step):
    """The ideal low-pass filter, which rings: as sharpening and strong compression leave images."""

    is_linear: ClassVar[bool] = True

    cutoff: Range = (0.35, 1.0)
    """Highest frequency that is left, in shares of the highest one that images hold."""
    radius_px: int = 10
    """Of the kernel."""
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("sinc.cutoff", self.cutoff, 0.1, 1.0)
        check_probability("sinc.probability", self.probability)
        if not 3 <= self.radius_px <= 15:
            raise UsageError(f"sinc.radius_px = {self.radius_px}: allowed are 3 to 15")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` → the same."""
        occurs, cutoff = happens(self.probability, generator), uniform(self.cutoff, generator)
        return blurred(images, sinc_kernel(cutoff, self.radius_px)) if occurs else images


def sinc_kernel(cutoff: float, radius_px: int) -> Tensor:
    """``(2r + 1, 2r + 1)``, of sum 1: round, by the first Bessel function; ``cutoff`` 1 is half a wave a pixel."""
    place = torch.arange(-radius_px, radius_px + 1, dtype=torch.float64)
    distance = (place[:, None].square() + place.square()).sqrt()
    limit = math.pi * cutoff
    weights = limit * torch.special.bessel_j1(limit * distance) / (2 * math.pi * distance)
    weights[radius_px, radius_px] = limit**2 / (4 * math.pi)
    kernel: Tensor = (weights / weights.sum()).float()
    return kernel
