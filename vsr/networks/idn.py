"""IDN: blocks that keep a part of what they found and work on with the rest, then distil both.

Hui, Wang, Gao, "Fast and accurate single image super-resolution via information distillation network", CVPR 2018.
Post-upsampling with a global residual on the bicubic enlargement, Y, 0…1. Four blocks; 552,769 numbers at every scale
(553K). Names as in the authors' Caffe nets, which load as they are. The enlarging layer's kernel of 17 lies so that its
centre is the last pixel of the block that an input pixel becomes, as in that net. Figures on Set5: 37.83 / 34.11 /
31.82 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["IDN", "SPECS", "recognise_idn"]

_SLOPE = 0.05
_KERNEL = 17
_WIDTHS = (64, 48, 32, 64, 64, 48, 80)  # of what a block is given, and of its six layers
_GROUPS = (1, 4, 1, 1, 4, 1)
_KEPT = 16


class IDN(Upscaler):
    """Two layers, ``blocks`` of enhancement and compression, one enlarging layer."""

    def __init__(self, scale: int, *, blocks: int = 4) -> None:
        super().__init__()
        self.scale = scale
        width = _WIDTHS[0]
        body = INPUT.conv(3, times=2 + 6 * blocks)
        self.context_px = body.deconv(_KERNEL, scale, _cut(scale)).join(INPUT.enlarged(scale, 2)).context_px
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self._numbers = range(3, 3 + blocks)
        for number in self._numbers:
            for layer, groups in enumerate(_GROUPS):
                given = _WIDTHS[layer] - _KEPT if layer == 3 else _WIDTHS[layer]
                made = nn.Conv2d(given, _WIDTHS[layer + 1], 3, padding=1, groups=groups)
                self.add_module(f"conv{number}_{layer + 1}", made)
            self.add_module(f"down{number - 2}", nn.Conv2d(_WIDTHS[-1], width, 1))
        self.upsample = nn.ConvTranspose2d(width, 1, _KERNEL, stride=scale, padding=_cut(scale))

    def _layers(self, features: Tensor, *names: str) -> Tensor:
        for name in names:
            features = leaky_relu(self.get_submodule(name)(features), _SLOPE)
        return features

    def _block(self, features: Tensor, number: int) -> Tensor:
        found = self._layers(features, *(f"conv{number}_{layer}" for layer in (1, 2, 3)))
        kept, rest = found[:, :_KEPT], found[:, _KEPT:]
        long = self._layers(rest, *(f"conv{number}_{layer}" for layer in (4, 5, 6)))
        return self._layers(long + torch.cat((features, kept), 1), f"down{number - 2}")

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        features = self._layers(images.to(self.conv1.weight.dtype), "conv1", "conv2")
        for number in self._numbers:
            features = self._block(features, number)
        base = enlarge(images, self.scale)
        residual: Tensor = self.upsample(features)[..., : base.shape[-2], : base.shape[-1]]
        return base + residual.to(images.dtype)


def _cut(scale: int) -> int:
    """Rows and columns that the enlarging layer loses at the start."""
    return _KERNEL // 2 - (scale - 1)


def recognise_idn(shapes: Shapes) -> Found | None:
    """IDN of any number of blocks; its weights have the same shapes at every scale."""
    blocks = count(shapes, "down", ".weight", first=1)
    if blocks == 0 or shapes["upsample.weight"] != (_WIDTHS[0], 1, _KERNEL, _KERNEL):
        return None
    return Found("idn", (), lambda scale: IDN(scale, blocks=blocks)) if "conv3_6.weight" in shapes else None


SPECS = (
    network_spec(
        "idn",
        "Hui, Wang, Gao, CVPR 2018: IDN, 4 blocks",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=IDN,
        parameters=552_769,
        recognise=recognise_idn,
    ),
)
"""As published."""
