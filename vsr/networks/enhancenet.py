"""EnhanceNet: a residual network that enlarges its features by the nearest neighbour, trained for textures.

Sajjadi, Schölkopf, Hirsch, "EnhanceNet: single image super-resolution through automated texture synthesis", ICCV 2017.
Post-upsampling with a global residual, RGB, 0…1 less the mean of the authors' training images. Ten residual blocks;
852,867 numbers. The authors' TensorFlow checkpoint (ENet-PAT, ×4: perceptual, adversarial and texture loss, so it
invents detail) loads as it is; its names are numbered ``generator.Conv`` to ``Conv_24``. Figures on Set5 ×4: ENet-PAT
28.56, ENet-E (trained for the squared error) 31.74 dB.

What is added to is TensorFlow's bicubic enlargement as it was then: a = -0.75, and each block's first pixel lies on the
input's pixel, so it is shifted by half a block less half a pixel. The network was trained to lay that back.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad, pixel_shuffle, relu

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import Constant, count, doublings, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "EnhanceNet", "recognise_enhancenet"]

_A = -0.75
_MEAN = (0.47614917, 0.45001204, 0.40904046)


def _mean() -> Tensor:
    return torch.tensor(_MEAN).reshape(1, 3, 1, 1)


def _cubic(distance: Tensor) -> Tensor:
    """Keys' kernel."""
    near = ((_A + 2) * distance - (_A + 3)) * distance.square() + 1
    far = ((distance - 5) * distance + 8) * _A * distance - 4 * _A
    return torch.where(distance <= 1, near, far)


def _kernels(scale: int) -> Tensor:
    """``(scale², 1, 4, 4)``: what the pixels of a block take of the input's from one before to two behind."""
    phase = torch.arange(scale) / scale
    taps = _cubic((torch.arange(-1, 3)[None] - phase[:, None]).abs())
    return (taps[:, None, :, None] * taps[None, :, None, :]).reshape(scale * scale, 1, 4, 4)


def _shifted_bicubic(images: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """``(B, C, H, W)`` → ``(B, C, scale·H, scale·W)``; the border repeats."""
    weights = kernels.to(images.dtype).repeat(images.shape[1], 1, 1, 1)
    around = pad(images, (1, 2, 1, 2), mode="replicate")
    return pixel_shuffle(conv2d(around, weights, groups=images.shape[1]), scale)


class EnhanceNet(Upscaler):
    """Head, ``blocks`` residual blocks, one nearest-neighbour doubling and layer for each factor of two, two layers."""

    def __init__(self, scale: int, *, width: int = 64, blocks: int = 10) -> None:
        super().__init__()
        self.scale = scale
        self._blocks, self._steps = blocks, doublings(scale)
        footprint = INPUT.conv(3, times=1 + 2 * blocks)
        for _ in range(self._steps):
            footprint = footprint.shuffle(2).conv(3)
        self.context_px = footprint.conv(3, times=2).context_px
        total = 3 + 2 * blocks + self._steps
        layers = [
            nn.Conv2d(3 if number == 0 else width, 3 if number == total - 1 else width, 3, padding=1)
            for number in range(total)
        ]
        self.mean, self.cubic = Constant(_mean), Constant(partial(_kernels, scale))
        self.generator = nn.ModuleDict({_name(number): layer for number, layer in enumerate(layers)})

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        layers = list(self.generator.values())
        head = layers.pop(0)
        shifted = images - self.mean.value.to(images.dtype)
        features = relu(head(shifted.to(weights_dtype(self))))
        for _ in range(self._blocks):
            first, second = layers.pop(0), layers.pop(0)
            features = features + second(relu(first(features)))
        for _ in range(self._steps):
            features = relu(layers.pop(0)(interpolate(features, scale_factor=2.0, mode="nearest")))
        features = relu(layers.pop(0)(features))
        residual: Tensor = layers.pop(0)(features)
        return _shifted_bicubic(images, self.cubic.value, self.scale) + residual.to(images.dtype)


def _name(number: int) -> str:
    return f"Conv_{number}" if number else "Conv"


def recognise_enhancenet(shapes: Shapes) -> Found | None:
    """EnhanceNet of any width. Its layers do not tell doublings from blocks, so it has ten blocks."""
    width = shapes["generator.Conv.weight"][0]
    layers = 1 + count(shapes, "generator.Conv_", ".weight", first=1)
    steps = layers - 3 - 2 * 10
    if steps not in (1, 2, 3) or shapes["generator.Conv.weight"][1:] != (3, 3, 3):
        return None
    return Found("enhancenet", (2**steps,), lambda scale: EnhanceNet(scale, width=width))


SPECS = (
    network_spec(
        "enhancenet",
        "Sajjadi, Schölkopf, Hirsch, ICCV 2017: EnhanceNet",
        "post-upsampling",
        scales=(2, 4, 8),
        colour="RGB",
        build=EnhanceNet,
        parameters=(815_939, 852_867, 889_795),
        recognise=recognise_enhancenet,
        is_generative=True,
    ),
)
"""As published for ×4; the other scales have another number of doublings."""
