"""IMLE: noise goes in beside the small image, and training asks that some sample be near every image.

Li, Malik, "Implicit maximum likelihood estimation", 2018; Li, Peng, Malik, "Super-resolution via conditional implicit
maximum likelihood estimation", 2018. Post-upsampling, RGB, 0…1; the result is a residual to cubics. An adversarial
network may leave out what is hard to make; here each image pulls the nearest of several samples towards itself
(`nearest_sample`), so that none is left out. Layers, widths and names are our own, residual blocks as of EDSR; no
weights are published.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, SamplingUpscaler, Shapes
from vsr.networks.blocks import (
    ResidualBlock,
    count,
    enlarge,
    shuffle_footprint,
    shuffle_upsampler,
    upsampler_scale,
    weights_dtype,
)
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["IMLE", "SPECS", "nearest_sample", "recognise_imle"]

_COLOURS = 3


class IMLE(SamplingUpscaler):
    """Residual blocks on the small image and ``codes`` channels of noise."""

    def __init__(self, scale: int, *, width: int = 64, blocks: int = 8, codes: int = 8) -> None:
        super().__init__()
        self.scale, self.noise_channels = scale, codes
        self.in_channels = _COLOURS + codes
        self.mixing = nn.Conv2d(self.in_channels, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.upsampler = shuffle_upsampler(width, scale)
        self.last = nn.Conv2d(width, _COLOURS, 3, padding=1)
        self.context_px = shuffle_footprint(INPUT.conv(3, times=1 + 2 * blocks), scale).conv(3).context_px

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 3 + codes, H, W)``, the small image in 0…1 and noise, → ``(B, 3, scale·H, scale·W)``."""
        inside = self.blocks(self.mixing(given.to(weights_dtype(self))))
        residual: Tensor = self.last(self.upsampler(inside))
        return enlarge(given[:, :_COLOURS], self.scale) + residual.to(given.dtype)


def nearest_sample(module: IMLE, images: Tensor, small: Tensor, noises: Tensor) -> Tensor:
    """For each of ``images`` the noise whose sample is nearest, by the mean square: ``(B, codes, H, W)``.

    ``noises`` are ``(N, B, codes, H, W)``; no gradients are kept.
    """
    with torch.no_grad():
        samples = [module(torch.cat([small, noise], 1)) for noise in noises]
        distances = torch.stack([(sample - images).square().flatten(1).mean(1) for sample in samples])
        nearest = distances.argmin(0)
    return noises[nearest, torch.arange(len(images), device=images.device)]


def recognise_imle(shapes: Shapes) -> Found | None:
    """Of any width, number of blocks and channels of noise."""
    if "mixing.weight" not in shapes:
        return None
    width, inputs = shapes["mixing.weight"][:2]
    blocks = count(shapes, "blocks.", ".body.0.weight")
    scale = upsampler_scale(shapes, "upsampler.", width)
    return Found("imle", (scale,), lambda scale: IMLE(scale, width=width, blocks=blocks, codes=inputs - _COLOURS))


SPECS = (
    network_spec(
        "imle",
        "Li, Peng, Malik, 2018: conditional implicit maximum likelihood, in layers of our own",
        "post-upsampling",
        scales=(2, 4),
        colour="RGB",
        build=IMLE,
        parameters=(746_691, 894_403),
        recognise=recognise_imle,
        is_generative=True,
        family="sampling",
    ),
)
"""No form of it is published for this."""
