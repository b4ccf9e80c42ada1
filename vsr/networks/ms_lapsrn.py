"""MS-LapSRN: LapSRN with one set of weights for every level, every recursion and every scale.

Lai, Huang, Ahuja, Yang, "Fast and accurate image super-resolution with deep Laplacian pyramid networks", TPAMI 2019.
Progressive, Y, 0…1. One file for ×2, ×4 and ×8: D = 5 layers, R = 8 recursions whose source is the level's input
("SS"), 222,352 weights (222K), with 449 biases 222,801. Names of our own, after the authors' MATLAB files.
Figures on Set5, D5R8: ×2 37.78, ×4 31.74, ×8 26.34 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, doublings
from vsr.networks.footprint import INPUT
from vsr.networks.lapsrn import ImageDeconv, deconv_footprint, make_deconv
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "MSLapSRN", "recognise_ms_lapsrn"]

_SLOPE = 0.2


class MSLapSRN(Upscaler):
    """Every level: ``recursions`` times ``depth`` layers, each time plus the level's input, then twice the size."""

    recursions: Tensor

    def __init__(self, scale: int, *, width: int = 64, depth: int = 5, recursions: int = 8) -> None:
        super().__init__()
        self.scale = scale
        self._depth = depth
        self._levels = doublings(scale)
        self.input_conv = nn.Conv2d(1, width, 3, padding=1)
        self.conv = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.upconv = make_deconv(width, 3, bias=True)
        self.residual_conv = nn.Conv2d(width, 1, 3, padding=1)
        self.img_up = ImageDeconv()
        self.register_buffer("recursions", torch.tensor(recursions, device="cpu"))
        self._num_recursions = recursions
        self.context_px = self._context()

    def finish_loading(self) -> None:
        """The number of recursions travels with the weights."""
        self._num_recursions = max(1, int(self.recursions))
        self.context_px = self._context()

    def _context(self) -> int:
        image, features = INPUT, INPUT.conv(3)
        for _ in range(self._levels):
            features = deconv_footprint(features.conv(3, times=self._depth * self._num_recursions), 3)
            image = image.deconv(4, 2, 1).join(features.conv(3))
        return image.context_px

    def _level(self, source: Tensor) -> Tensor:
        features = source
        for _ in range(self._num_recursions):
            for layer in self.conv:
                features = layer(functional.leaky_relu(features, _SLOPE))
            features = features + source
        enlarged: Tensor = self.upconv(functional.leaky_relu(features, _SLOPE))
        return enlarged

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        features = self.input_conv(images.to(self.input_conv.weight.dtype))
        result = images
        for _ in range(self._levels):
            features = self._level(features)
            residual: Tensor = self.residual_conv(features)
            result = self.img_up(result) + residual.to(images.dtype)
        return result


def recognise_ms_lapsrn(shapes: Shapes) -> Found | None:
    """MS-LapSRN of any width and depth."""
    width, depth = shapes["input_conv.weight"][0], count(shapes, "conv.", ".weight")
    if shapes["input_conv.weight"][1:] != (1, 3, 3) or depth == 0 or shapes["recursions"] != ():
        return None
    return Found("ms-lapsrn", (2, 4, 8), lambda scale: MSLapSRN(scale, width=width, depth=depth))


SPECS = (
    network_spec(
        "ms-lapsrn",
        "Lai, Huang, Ahuja, Yang, TPAMI 2019: MS-LapSRN D5R8",
        "progressive",
        scales=(2, 4, 8),
        colour="Y",
        build=MSLapSRN,
        parameters=222_801,
        recognise=recognise_ms_lapsrn,
    ),
)
"""As published."""
