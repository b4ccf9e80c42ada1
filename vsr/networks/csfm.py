"""CSFM: blocks weigh channels and places, and modules of them remember all modules before them.

Hu, Li, Huang, Gao, "Channel-wise and spatial feature modulation network for single image super-resolution", TCSVT
2020 (2018 on arXiv). Post-upsampling, RGB, 0…255 less the mean of DIV2K. Eight modules of 16 residual blocks of 64
channels, reduced 16-fold for the channels and doubled for the places; a gate of 1×1 at the end of each module sees
the results of all. Built from the paper's text; names are ours, no weights are to be had (the paper gives 12.9M, this
has 12.2M at ×4). Figures on Set5: 38.26 / 34.76 / 32.61 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.attention import ChannelAttention
from vsr.networks.base import Found, Shapes
from vsr.networks.blocks import ShiftedUpscaler, count, shuffle_upsampler, upsampler_scale
from vsr.networks.spec import network_spec

__all__ = ["CSFM", "SPECS", "recognise_csfm"]


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, padding=1)
        )
        self.channels = ChannelAttention(width)
        self.places = nn.Sequential(
            nn.Conv2d(width, 2 * width, 1), nn.ReLU(inplace=True), nn.Conv2d(2 * width, 1, 1), nn.Sigmoid()
        )
        self.fuse = nn.Conv2d(2 * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        found = self.body(features)
        weighed = torch.cat((self.channels(found), found * self.places(found)), 1)
        result: Tensor = self.fuse(weighed)
        return result + features


class CSFM(ShiftedUpscaler):
    """Head, ``modules`` of ``blocks`` with a gate each, a skip over all of them, upsampling, tail."""

    def __init__(self, scale: int, *, modules: int = 8, blocks: int = 16, width: int = 64) -> None:
        super().__init__(scale)
        self.context_px = None
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.memory = nn.ModuleList(nn.Sequential(*(_Block(width) for _ in range(blocks))) for _ in range(modules))
        self.gates = nn.ModuleList(nn.Conv2d((number + 2) * width, width, 1) for number in range(modules))
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.tail = nn.Sequential(shuffle_upsampler(width, scale), nn.Conv2d(width, 3, 3, padding=1))

    def enlarged(self, shifted: Tensor) -> Tensor:
        """See `ShiftedUpscaler`."""
        found = [self.head(shifted)]
        for module, gate in zip(self.memory, self.gates, strict=True):
            found.append(gate(torch.cat((*found, module(found[-1])), 1)))
        result: Tensor = self.tail(self.last(found[-1]) + found[0])
        return result


def recognise_csfm(shapes: Shapes) -> Found | None:
    """CSFM of any width and depth."""
    modules, blocks = count(shapes, "gates.", ".weight"), count(shapes, "memory.0.", ".fuse.weight")
    width = shapes["head.weight"][0]
    scale = upsampler_scale(shapes, "tail.0.", width)
    return Found("csfm", (scale,), lambda scale: CSFM(scale, modules=modules, blocks=blocks, width=width))


SPECS = (
    network_spec(
        "csfm",
        "Hu, Li, Huang, Gao, TCSVT 2020: CSFM, 8 modules of 16 blocks",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=CSFM,
        parameters=(12_034_971, 12_219_611, 12_182_683),
        recognise=recognise_csfm,
        value_range=255,
    ),
)
"""As its text describes it."""
