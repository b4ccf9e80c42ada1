"""Pixel-recursive super resolution: every value is drawn from a distribution that sees all values drawn before it.

Dahl, Norouzi, Shlens, "Pixel recursive super resolution", ICCV 2017. Post-upsampling, RGB, 0…1; a small example of
networks that sample one of many images. Two networks add up their logits for each of the levels that a value may
have: a conditioning network that sees the small image, and a prior that sees the values above and before. Values
are drawn in turn, row by row, red before green before blue, so nothing runs side by side: each of the output's values
costs a pass of the prior over its neighbourhood, some tenths of a millisecond, or minutes for an image of 256×256.
The paper makes 32×32 faces of 8×8 ones, with 256 levels and a PixelCNN of 20 layers; here are 32 levels and two
layers that look 3 pixels far, and names and sizes are ours. No weights are to be had. It stays in float32: what was
drawn decides what comes after, so one rounding would change the rest of the image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from vsr.networks.base import Found, SamplingUpscaler, Shapes
from vsr.networks.blocks import KeepsFloat32, ResidualBlock, count, shuffle_upsampler, upsampler_scale
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "PixelRecursive", "recognise_pixel_recursive"]

_COLOURS = 3
_REACH = 3  # pixels up, left and right that the prior looks at


class PixelRecursive(KeepsFloat32, SamplingUpscaler):
    """A conditioning network of ``blocks`` residual blocks, and a prior of ``hidden`` units."""

    def __init__(self, scale: int, *, levels: int = 32, width: int = 32, blocks: int = 4, hidden: int = 64) -> None:
        super().__init__()
        self.scale, self.context_px, self.noise_channels = scale, None, _COLOURS * scale * scale
        self.in_channels = _COLOURS + self.noise_channels
        self._levels = levels
        seen = _REACH * (2 * _REACH + 1) + _REACH  # pixels above, and before in the row
        self.conditioning = nn.Sequential(
            nn.Conv2d(_COLOURS, width, 3, padding=1),
            *(ResidualBlock(width) for _ in range(blocks)),
            shuffle_upsampler(width, scale),
            nn.Conv2d(width, _COLOURS * levels, 1),
        )
        self.prior_entry = nn.Linear(_COLOURS * seen + 2 * _COLOURS, hidden)
        self.prior_exit = nn.Linear(hidden, levels)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 3 + 3·scale², H, W)``, the small image in 0…1 and noise, → ``(B, 3, scale·H, scale·W)``.

        Noise of 0 is the middle of each distribution.
        """
        images, noise = given[:, :_COLOURS].float(), given[:, _COLOURS:].float()
        logits = self.conditioning(images)
        drawn_at = torch.special.ndtr(torch.pixel_shuffle(noise, self.scale))  # noise as numbers from 0 to 1
        batch, _, height, width = drawn_at.shape
        logits = logits.reshape(batch, _COLOURS, self._levels, height, width)
        canvas = pad(torch.zeros_like(drawn_at), (_REACH, _REACH, _REACH, 0))
        for row in range(height):
            for column in range(width):
                self._draw(canvas, logits[..., row, column], drawn_at[..., row, column], row, column)
        return canvas[:, :, _REACH:, _REACH : _REACH + width].to(given.dtype)

    def _draw(self, canvas: Tensor, logits: Tensor, drawn_at: Tensor, row: int, column: int) -> None:
        """Put the pixel at ``row`` and ``column`` into ``canvas``, colour by colour."""
        above = canvas[:, :, row : row + _REACH, column : column + 2 * _REACH + 1].flatten(1)
        before = canvas[:, :, row + _REACH, column : column + _REACH].flatten(1)
        own = torch.zeros_like(drawn_at)
        for colour in range(_COLOURS):
            which = torch.zeros_like(drawn_at)
            which[:, colour] = 1.0
            prior = self.prior_exit(relu(self.prior_entry(torch.cat((above, before, own, which), 1))))
            shares = torch.softmax(logits[:, colour] + prior, 1).cumsum(1)
            level = (shares < drawn_at[:, colour : colour + 1]).sum(1).clamp(max=self._levels - 1)
            own[:, colour] = (level + 0.5) / self._levels
        canvas[:, :, row + _REACH, column + _REACH] = own


def recognise_pixel_recursive(shapes: Shapes) -> Found | None:
    """Of any width, number of levels and blocks."""
    hidden, levels = shapes["prior_entry.weight"][0], shapes["prior_exit.weight"][0]
    width, blocks = shapes["conditioning.0.weight"][0], count(shapes, "conditioning.", ".body.0.weight", first=1)
    scale = upsampler_scale(shapes, f"conditioning.{blocks + 1}.", width)

    def build(scale: int) -> PixelRecursive:
        return PixelRecursive(scale, levels=levels, width=width, blocks=blocks, hidden=hidden)

    return Found("pixel-recursive", (scale,), build)


SPECS = (
    network_spec(
        "pixel-recursive",
        "Dahl, Norouzi, Shlens, ICCV 2017: pixel-recursive super resolution, a small example",
        "post-upsampling",
        scales=(2, 4),
        colour="RGB",
        build=PixelRecursive,
        parameters=(122_176, 159_168),
        recognise=recognise_pixel_recursive,
        is_generative=True,
        family="sampling",
    ),
)
"""A small form; see the top of the file."""
