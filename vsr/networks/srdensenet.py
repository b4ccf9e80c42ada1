"""SRDenseNet: dense blocks whose results are all joined, a bottleneck, deconvolutions.

Tong, Li, Liu, Gao, "Image super-resolution using dense skip connections", ICCV 2017. Post-upsampling, Y, 0…1. The
form that joins all blocks: eight of eight 3×3 layers with growth 16, a bottleneck to 256 channels, a deconvolution of
3×3 for each doubling. Biases everywhere. Names are ours; no weights are to be had, and later papers count 2.0M
without saying how. Figure on Set5 ×4: 32.02 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, doublings
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "SRDenseNet", "recognise_srdensenet"]

_LAYERS = 8


class _DenseBlock(nn.Module):
    """Each layer sees all before it; the block gives what its own layers found."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        widths = [inputs, *(growth * number for number in range(1, _LAYERS))]
        self.layers = nn.ModuleList(nn.Conv2d(width, growth, 3, padding=1) for width in widths)

    def forward(self, features: Tensor) -> Tensor:
        found = relu(self.layers[0](features))
        for layer in list(self.layers)[1:]:
            found = torch.cat((found, relu(layer(found))), 1)
        return found


class SRDenseNet(Upscaler):
    """Entry, ``blocks`` dense blocks, bottleneck over all of them, doublings, exit."""

    def __init__(self, scale: int, *, blocks: int = 8, growth: int = 16, bottleneck: int = 256) -> None:
        super().__init__()
        self.scale = scale
        width, steps = growth * _LAYERS, doublings(scale)
        footprint = INPUT.conv(3, times=1 + _LAYERS * blocks)
        for _ in range(steps):
            footprint = footprint.deconv(3, 2, 1)
        self.context_px = footprint.conv(3).context_px
        self.entry = nn.Conv2d(1, width, 3, padding=1)
        self.dense = nn.ModuleList(_DenseBlock(width, growth) for _ in range(blocks))
        self.bottleneck = nn.Conv2d(width * (blocks + 1), bottleneck, 1)
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(bottleneck, bottleneck, 3, stride=2, padding=1, output_padding=1) for _ in range(steps)
        )
        self.reconstruction = nn.Conv2d(bottleneck, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        found = [relu(self.entry(images.to(self.entry.weight.dtype)))]
        for block in self.dense:
            found.append(block(found[-1]))
        features = relu(self.bottleneck(torch.cat(found, 1)))
        for doubling in self.doublings:
            features = relu(doubling(features))
        result: Tensor = self.reconstruction(features)
        return result.to(images.dtype)


def recognise_srdensenet(shapes: Shapes) -> Found | None:
    """SRDenseNet of any growth and number of blocks."""
    blocks, steps = count(shapes, "dense.", ".layers.0.weight"), count(shapes, "doublings.", ".weight")
    growth, bottleneck = shapes["dense.0.layers.0.weight"][0], shapes["bottleneck.weight"][0]
    if not steps or f"dense.0.layers.{_LAYERS - 1}.weight" not in shapes:
        return None

    def build(scale: int) -> SRDenseNet:
        return SRDenseNet(scale, blocks=blocks, growth=growth, bottleneck=bottleneck)

    return Found("srdensenet", (2**steps,), build)


SPECS = (
    network_spec(
        "srdensenet",
        "Tong, Li, Liu, Gao, ICCV 2017: SRDenseNet, 8 blocks, all joined",
        "post-upsampling",
        scales=(2, 4, 8),
        colour="Y",
        build=SRDenseNet,
        parameters=(1_553_409, 2_143_489, 2_733_569),
        recognise=recognise_srdensenet,
    ),
)
"""As published for ×4; the other scales have another number of doublings."""
