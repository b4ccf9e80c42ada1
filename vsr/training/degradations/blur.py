"""Blur: lens and sensor (Gaussians, round and not), movement while the shutter is open."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from vsr.observation import gaussian_kernel, motion_kernel
from vsr.training.degradations.base import Range, Step, check_probability, check_range, happens, uniform

__all__ = ["GaussianBlur", "MotionBlur", "blurred"]

_MOST_SIGMA_PX, _MOST_LENGTH_PX = 8.0, 31.0


def blurred(images: Tensor, kernel: Tensor) -> Tensor:
    """``(T, C, H, W)`` convolved with a ``(h, w)`` kernel of odd sizes, mirrored at the border; by Fourier transform.

    One kernel for all frames. Where the image is smaller than the kernel's reach, its edge is repeated instead.
    """
    radius_y, radius_x = kernel.shape[0] // 2, kernel.shape[1] // 2
    height, width = images.shape[-2:]
    mode = "reflect" if radius_y < height and radius_x < width else "replicate"
    padded = pad(images, (radius_x, radius_x, radius_y, radius_y), mode=mode)
    size = _quick(padded.shape[-2]), _quick(padded.shape[-1])
    spectrum = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernel.to(images.dtype), s=size)
    whole: Tensor = torch.fft.irfft2(spectrum, s=size)
    return whole[..., 2 * radius_y : 2 * radius_y + height, 2 * radius_x : 2 * radius_x + width].contiguous()


@lru_cache(maxsize=256)
def _quick(length: int) -> int:
    """The next length that Fourier transforms are quick at; zeros are added at the end, where nothing is read."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(length, real=True))


@dataclass(frozen=True)
class GaussianBlur(Step):
    """A Gaussian, as wide across as along with probability ``round_share``, else turned at random."""

    is_linear: ClassVar[bool] = True

    sigma: Range = (0.2, 2.0)
    """Standard deviation, in pixels of the images that it is given."""
    round_share: float = 0.5
    """How often both axes have one width."""
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("gaussian-blur.sigma", self.sigma, 0, _MOST_SIGMA_PX)
        check_probability("gaussian-blur.round_share", self.round_share)
        check_probability("gaussian-blur.probability", self.probability)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` → the same."""
        occurs, is_round = happens(self.probability, generator), happens(self.round_share, generator)
        across, along = uniform(self.sigma, generator), uniform(self.sigma, generator)
        angle = uniform((0, 180), generator)
        if not occurs:
            return images
        sigmas = (across, across) if is_round else (across, along)
        return blurred(images, gaussian_kernel(sigmas, angle_degrees=0 if is_round else angle))


@dataclass(frozen=True)
class MotionBlur(Step):
    """A straight movement of even speed, in any direction."""

    is_linear: ClassVar[bool] = True

    length: Range = (1.0, 8.0)
    """Of the path, in pixels of the images that it is given."""
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("motion-blur.length", self.length, 0, _MOST_LENGTH_PX)
        check_probability("motion-blur.probability", self.probability)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` → the same."""
        occurs = happens(self.probability, generator)
        length, angle = uniform(self.length, generator), uniform((0, 180), generator)
        return blurred(images, motion_kernel(length, angle)) if occurs else images
