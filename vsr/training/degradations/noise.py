"""Noise of the sensor: of its electronics, and of the light itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.training.degradations.base import Range, Step, check_probability, check_range, happens, uniform

__all__ = ["GaussianNoise", "PoissonNoise"]

_PEAK = 255.0


@dataclass(frozen=True)
class GaussianNoise(Step):
    """White noise, independent from frame to frame; the same in all channels with probability ``grey_share``."""

    sigma: Range = (1.0, 10.0)
    """Standard deviation, of 255."""
    grey_share: float = 0.4
    """How often it is noise of brightness alone."""
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("gaussian-noise.sigma", self.sigma, 0, _PEAK)
        check_probability("gaussian-noise.grey_share", self.grey_share)
        check_probability("gaussian-noise.probability", self.probability)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` → the same, not clipped."""
        occurs, is_grey = happens(self.probability, generator), happens(self.grey_share, generator)
        sigma = uniform(self.sigma, generator)
        if not occurs:
            return images
        frames, channels, height, width = images.shape
        noise = torch.randn(frames, 1 if is_grey else channels, height, width, generator=generator)
        return images + sigma * noise


@dataclass(frozen=True)
class PoissonNoise(Step):
    """Photons are counted: the variance of the noise grows with the light."""

    photons: Range = (200.0, 5000.0)
    """That a pixel at full range collects; the fewer the noisier. Drawn evenly on a logarithmic scale."""
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("poisson-noise.photons", self.photons, 1, 1e7)
        check_probability("poisson-noise.probability", self.probability)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` → the same; what is under 0 counts as dark."""
        occurs = happens(self.probability, generator)
        low, high = self.photons
        photons = math.exp(uniform((math.log(low), math.log(high)), generator))
        if not occurs:
            return images
        light = images.clamp(min=0) * (photons / _PEAK)
        return torch.poisson(light, generator=generator) * (_PEAK / photons)
