"""DRCN: one layer applied sixteen times, a prediction after each.

Kim, Lee, Lee, "Deeply-recursive convolutional network for image super-resolution", CVPR 2016. Pre-upsampling with a
global residual, Y, 0…1. Weights 1,774,080 (1,774K) at all scales, with 1,025 biases and 16 ensemble weights 1,775,121.
No checkpoint format has become usual; names are of our own. Figures on Set5: 37.63 / 33.82 / 31.53 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["DRCN", "SPECS", "recognise_drcn"]


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class DRCN(Upscaler):
    """Two layers of embedding, one of inference used ``recursions`` times, two of reconstruction used after each."""

    def __init__(self, scale: int, *, width: int = 256, recursions: int = 16) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.enlarged(scale, 2).conv(3, times=recursions + 4).context_px
        self.embedding1 = _conv(1, width)
        self.embedding2 = _conv(width, width)
        self.inference = _conv(width, width)
        self.reconstruction1 = _conv(width, width)
        self.reconstruction2 = _conv(width, 1)
        self.ensemble = nn.Parameter(torch.full((recursions,), 1 / recursions))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``: Σ w_d · (interpolated + reconstruction of step d)."""
        return self.all_outputs(images)[-1]

    def all_outputs(self, images: Tensor) -> list[Tensor]:
        """The reconstruction of each step, and last their weighted sum."""
        enlarged = enlarge(images, self.scale)
        features = self.relu(self.embedding1(enlarged.to(self.inference.weight.dtype)))
        features = self.relu(self.embedding2(features))
        results, total = [], torch.zeros_like(enlarged)
        for weight in self.ensemble.to(images.dtype):
            features = self.relu(self.inference(features))
            residual: Tensor = self.reconstruction2(self.relu(self.reconstruction1(features)))
            results.append(enlarged + residual.to(images.dtype))
            total = total + weight * results[-1]
        return [*results, total]


def recognise_drcn(shapes: Shapes) -> Found | None:
    """DRCN of any width and number of recursions. The weights do not tell the scale."""
    width, recursions = shapes["inference.weight"][0], shapes["ensemble"][0]
    if shapes["embedding1.weight"] != (width, 1, 3, 3) or "reconstruction2.weight" not in shapes:
        return None
    return Found("drcn", (), lambda scale: DRCN(scale, width=width, recursions=recursions))


SPECS = (
    network_spec(
        "drcn",
        "Kim, Lee, Lee, CVPR 2016: DRCN, 16 recursions",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=DRCN,
        parameters=1_775_121,
        recognise=recognise_drcn,
    ),
)
"""As published."""
