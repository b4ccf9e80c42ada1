"""CVAE: a conditional variational autoencoder, whose noise is turned and scaled by what the small image says.

Sohn, Lee, Yan, "Learning structured output representation using deep conditional generative models", NeurIPS 2015.
Post-upsampling, RGB, 0…1; the result is a residual to cubics. Features of the small image give mean and deviation of a
latent map at its size (the prior), and with a value of it the image (the decoder). In training the latent map comes
from the image itself (the posterior), and training brings prior and posterior together. Layers, widths and names are
our own: residual blocks as of EDSR, four in each part; no weights are published.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

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

__all__ = ["CVAE", "SPECS", "recognise_cvae"]

_COLOURS = 3


def _trunk(channels: int, width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), *(ResidualBlock(width) for _ in range(blocks)))


class CVAE(SamplingUpscaler):
    """Prior, posterior and decoder of a latent map with ``latent`` channels."""

    def __init__(self, scale: int, *, width: int = 64, blocks: int = 4, latent: int = 16) -> None:
        super().__init__()
        self.scale, self.noise_channels = scale, latent
        self.in_channels = _COLOURS + latent
        self.features = _trunk(_COLOURS, width, blocks)
        self.prior = nn.Conv2d(width, 2 * latent, 3, padding=1)
        self.posterior = nn.Sequential(
            _trunk(width + _COLOURS * scale * scale, width, blocks), nn.Conv2d(width, 2 * latent, 3, padding=1)
        )
        self.decoder = _trunk(width + latent, width, blocks)
        self.upsampler = shuffle_upsampler(width, scale)
        self.last = nn.Conv2d(width, _COLOURS, 3, padding=1)
        # features, prior, decoder
        seen = INPUT.conv(3, times=1 + 2 * blocks).conv(3).conv(3, times=1 + 2 * blocks)
        self.context_px = shuffle_footprint(seen, scale).conv(3).context_px

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 3 + latent, H, W)``, the small image in 0…1 and noise, → ``(B, 3, scale·H, scale·W)``."""
        small, noise = given[:, :_COLOURS], given[:, _COLOURS:]
        features = self.features(small.to(weights_dtype(self)))
        mean, deviation = self._moments(self.prior(features))
        return self._decode(small, features, mean + deviation * noise)

    def reconstruct(self, images: Tensor, small: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """For training: ``(B, 3, scale·H, scale·W)`` decoded from its posterior, and the divergence, ``(B,)``.

        ``noise`` is ``(B, latent, H, W)``. The divergence is Kullback and Leibler's, of the posterior from the prior,
        in nats; with the error of the first it bounds the likelihood of ``images`` from below.
        """
        features = self.features(small)
        missing = pixel_unshuffle(images - enlarge(small, self.scale), self.scale)
        mean, deviation = self._moments(self.posterior(torch.cat([features, missing], 1)))
        prior_mean, prior_deviation = self._moments(self.prior(features))
        ratio = deviation / prior_deviation
        divergence = ((mean - prior_mean) / prior_deviation).square() + ratio.square() - 1 - 2 * ratio.log()
        return self._decode(small, features, mean + deviation * noise), divergence.flatten(1).sum(1) / 2

    @staticmethod
    def _moments(made: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation in float32 at least."""
        made = made if made.dtype == torch.float64 else made.float()
        mean, logs = made.chunk(2, 1)
        return mean, logs.clamp(-6, 6).exp()

    def _decode(self, small: Tensor, features: Tensor, latent: Tensor) -> Tensor:
        inside = self.decoder(torch.cat([features, latent.to(features.dtype)], 1))
        residual: Tensor = self.last(self.upsampler(inside))
        return enlarge(small, self.scale) + residual.to(small.dtype)


def recognise_cvae(shapes: Shapes) -> Found | None:
    """Of any width, number of blocks and latent channels."""
    if "prior.weight" not in shapes or "posterior.1.weight" not in shapes:
        return None
    width, latent = shapes["features.0.weight"][0], shapes["prior.weight"][0] // 2
    blocks = count(shapes, "features.", ".body.0.weight", first=1)
    scale = upsampler_scale(shapes, "upsampler.", width)
    return Found("cvae", (scale,), lambda scale: CVAE(scale, width=width, blocks=blocks, latent=latent))


SPECS = (
    network_spec(
        "cvae",
        "Sohn, Lee, Yan, NeurIPS 2015: a conditional variational autoencoder, in layers of our own",
        "post-upsampling",
        scales=(2, 4),
        colour="RGB",
        build=CVAE,
        parameters=(1_164_419, 1_332_867),
        recognise=recognise_cvae,
        is_generative=True,
        family="sampling",
    ),
)
"""No form of it is published for this."""
