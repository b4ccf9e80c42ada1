"""Generators of degradations, and those that undo them in a cycle. All work on RGB in 0…1.

Each begins as interpolation, or leaves images as they are. They are small: they make what a discriminator of a few
pixels can see.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.observation.block_kernels import blurred_bicubic_kernel, degrade

__all__ = ["Cleaner", "Enlarger", "Shrinker", "Soiler"]

_WIDTH, _DEPTH = 24, 4
_ROOM_PX = 4  # of the small image, that the kernel may grow on each side
_NOISE_CHANNELS = 3
_SLOPE = 0.2


def _body(inputs: int, outputs: int) -> nn.Sequential:
    """Convolutions whose result begins near 0."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, _WIDTH, 3, padding=1), nn.LeakyReLU(_SLOPE)]
    for _ in range(_DEPTH - 2):
        layers += [nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1), nn.LeakyReLU(_SLOPE)]
    last = nn.Conv2d(_WIDTH, outputs, 3, padding=1)
    nn.init.normal_(last.weight, std=1e-3)
    assert last.bias is not None
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def _noise_for(images: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal, three channels for each pixel."""
    batch, _, height, width = images.shape
    return torch.randn((batch, _NOISE_CHANNELS, height, width), generator=generator).to(images.device)


class Soiler(nn.Module):
    """Degradation at one size: what convolutions add, seeing the image and noise.

    ``noise_gain`` is 1 while it learns; see `vsr.training.unpaired.noise`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = _body(3 + _NOISE_CHANNELS, 3)
        self.noise_gain: Tensor
        self.register_buffer("noise_gain", torch.ones(()))

    def forward(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """``(B, 3, h, w)`` → the same; noise from the generator, or none."""
        shape = (len(images), _NOISE_CHANNELS, *images.shape[-2:])
        noise = images.new_zeros(shape) if generator is None else self.noise_gain * _noise_for(images, generator)
        soiled: Tensor = images + self.body(torch.cat([images, noise], 1))
        return soiled


class Shrinker(nn.Module):
    """From large to small and degraded: a kernel, then a `Soiler`.

    The kernel sums to 1 and is symmetric about its middle, so it cannot shift images: single images would not show it,
    and pairs that are shifted teach nothing.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.weights = nn.Parameter(functional.pad(blurred_bicubic_kernel(scale, 0.0), (_ROOM_PX * scale,) * 4))
        self.soiler = Soiler()

    def kernel(self) -> Tensor:
        """``(n, n)``, as in `vsr.observation.block_kernels`."""
        symmetric = self.weights + self.weights.flip(0, 1)
        return symmetric / symmetric.sum()

    def forward(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """``(B, 3, scale·h, scale·w)`` → ``(B, 3, h, w)``; noise from the generator, or none."""
        batch, channels, height, width = images.shape
        small = degrade(images.reshape(batch * channels, 1, height, width), self.kernel(), self.scale)
        small = small.reshape(batch, channels, height // self.scale, width // self.scale)
        made: Tensor = self.soiler(small, generator)
        return made


class Cleaner(nn.Module):
    """What a `Soiler` does, undone."""

    def __init__(self) -> None:
        super().__init__()
        self.body = _body(3, 3)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` → the same."""
        cleaned: Tensor = images + self.body(images)
        return cleaned


class Enlarger(nn.Module):
    """From small and clean to large: interpolation and what convolutions add."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.body = _body(3, 3 * scale**2)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` → ``(B, 3, scale·h, scale·w)``."""
        interpolated = functional.interpolate(images, scale_factor=float(self.scale), mode="bicubic")  # differentiable
        return interpolated + functional.pixel_shuffle(self.body(images), self.scale)
