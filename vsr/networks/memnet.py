"""MemNet: memory blocks, each of which gates what it found and all that the blocks before it remember.

Tai, Yang, Liu, Xu, "MemNet: a persistent memory network for image restoration", ICCV 2017. Pre-upsampling with a
global residual, Y, 0…1; one set of weights for ×2, ×3 and ×4. M6R6: six blocks, whose residual unit runs six times
with the same weights; batch normalisation and ReLU ahead of each layer. Multi-supervised: every block's result
becomes an image by the same layer, and the answer is their weighed mean. 676,992 weights (677K), no biases. Names
are ours; no weights are to be had. Figures on Set5: 37.78 / 34.09 / 31.74 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "MemNet", "recognise_memnet"]


class _Layer(nn.Module):
    """Batch normalisation, ReLU, convolution."""

    def __init__(self, inputs: int, outputs: int, size: int = 3) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.conv(relu(self.norm(features)))
        return result


class _MemoryBlock(nn.Module):
    def __init__(self, width: int, units: int, remembered: int) -> None:
        super().__init__()
        self.unit = nn.Sequential(_Layer(width, width), _Layer(width, width))
        self.gate = _Layer((units + remembered) * width, width, 1)

    def forward(self, memory: list[Tensor], units: int) -> Tensor:
        features, found = memory[-1], []
        for _ in range(units):
            features = self.unit(features) + features
            found.append(features)
        result: Tensor = self.gate(torch.cat((*found, *memory), 1))
        return result


class MemNet(Upscaler):
    """Entry, ``blocks`` memory blocks of ``units`` rounds, one exit that all of them share."""

    def __init__(self, scale: int, *, blocks: int = 6, units: int = 6, width: int = 64) -> None:
        super().__init__()
        self.scale, self._units = scale, units
        self.context_px = INPUT.enlarged(scale, 2).conv(3, times=2 + 2 * units * blocks).context_px
        self.entry = _Layer(1, width)
        self.memory_blocks = nn.ModuleList(_MemoryBlock(width, units, number + 1) for number in range(blocks))
        self.exit = _Layer(width, 1)
        self.shares = nn.Parameter(torch.full((blocks,), 1 / blocks))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        return self.all_outputs(images)[-1]

    def all_outputs(self, images: Tensor) -> list[Tensor]:
        """The output of each block, and last their weighted mean."""
        base = enlarge(images, self.scale)
        memory = [self.entry(base.to(self.shares.dtype))]
        results = []
        for block in self.memory_blocks:
            memory.append(block(memory, self._units))
            results.append(base + self.exit(memory[-1]).to(images.dtype))
        shares = self.shares.to(images.dtype)
        mean = sum(share * result for share, result in zip(shares, results, strict=True))
        assert isinstance(mean, Tensor)
        return [*results, mean]


def recognise_memnet(shapes: Shapes) -> Found | None:
    """MemNet of any width, number of blocks and rounds."""
    blocks = count(shapes, "memory_blocks.", ".gate.conv.weight")
    width, gated = shapes["memory_blocks.0.gate.conv.weight"][:2]
    units = gated // width - 1
    return Found("memnet", (), lambda scale: MemNet(scale, blocks=blocks, units=units, width=width))


SPECS = (
    network_spec(
        "memnet",
        "Tai, Yang, Liu, Xu, ICCV 2017: MemNet M6R6, multi-supervised",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=MemNet,
        parameters=685_960,
        recognise=recognise_memnet,
    ),
)
"""As published."""
