"""Wavelet-SRNet: the bands of a wavelet packet of the large image, each predicted by a network of its own.

Huang, He, Sun, Tan, "Wavelet-SRNet: a wavelet-based CNN for multi-scale face super resolution", ICCV 2017.
Post-upsampling by the inverse transform, RGB, 0…1: an embedding of the small image, one small network a band (4 at
×2, 16 at ×4, 64 at ×8), and Haar's transform backwards. Made for faces of 16×16 pixels. Built from the paper's text:
widths (64, 32) and depths are ours, and so are the names; no weights are to be had.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import Constant, ResidualBlock, count, doublings, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec
from vsr.networks.transforms import block_kernels, from_bands

__all__ = ["SPECS", "WaveletSRNet", "recognise_wavelet_srnet"]

_COLOURS = 3
_DEPTH = 3  # of the networks of the bands


def _predictor(width: int, inner: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(width, inner, 3, padding=1), nn.ReLU(inplace=True)]
    for _ in range(_DEPTH - 2):
        layers += [nn.Conv2d(inner, inner, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(inner, _COLOURS, 3, padding=1))


class WaveletSRNet(Upscaler):
    """Entry, ``blocks`` residual blocks, one predictor a band, the inverse packet transform."""

    def __init__(self, scale: int, *, blocks: int = 8, width: int = 64, inner: int = 32) -> None:
        super().__init__()
        self.scale, self._levels = scale, doublings(scale)
        footprint = INPUT.conv(3, times=1 + 2 * blocks + _DEPTH)
        for _ in range(self._levels):
            footprint = footprint.deconv(2, 2, 0)
        self.context_px = footprint.context_px
        self.haar = Constant(block_kernels)
        self.embedding = nn.Sequential(
            nn.Conv2d(_COLOURS, width, 3, padding=1), *(ResidualBlock(width) for _ in range(blocks))
        )
        self.bands = nn.ModuleList(_predictor(width, inner) for _ in range(scale * scale))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        features = self.embedding(images.to(weights_dtype(self.embedding)))
        split = torch.cat([predict(features) for predict in self.bands], 1).to(images.dtype)
        for _ in range(self._levels):
            split = from_bands(split, self.haar.value)
        return split


def recognise_wavelet_srnet(shapes: Shapes) -> Found | None:
    """Wavelet-SRNet of any widths and depth of the embedding."""
    bands, blocks = count(shapes, "bands.", ".0.weight"), count(shapes, "embedding.", ".body.0.weight", first=1)
    inner, width = shapes["bands.0.0.weight"][:2]
    scale = round(bands**0.5)
    if shapes[f"bands.0.{2 * _DEPTH - 2}.weight"][0] != _COLOURS:
        return None
    return Found("wavelet-srnet", (scale,), lambda scale: WaveletSRNet(scale, blocks=blocks, width=width, inner=inner))


SPECS = (
    network_spec(
        "wavelet-srnet",
        "Huang, He, Sun, Tan, ICCV 2017: Wavelet-SRNet",
        "post-upsampling",
        scales=(2, 4, 8),
        colour="RGB",
        build=WaveletSRNet,
        parameters=(706_956, 1_049_904, 2_421_696),
        recognise=recognise_wavelet_srnet,
    ),
)
"""As its text describes it; its widths are ours."""
