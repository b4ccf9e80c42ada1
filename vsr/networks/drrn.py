"""DRRN: residual units that share their weights.

Tai, Yang, Liu, "Image super-resolution via deep recursive residual network", CVPR 2017. Pre-upsampling with a global
residual, Y, 0…1; one set of weights for ×2, ×3 and ×4. B1U25 has 297,216 weights (297K) and no biases. Names and
order of layers as in the PyTorch code of jt827859032: no batch normalisation, and since its ReLU works in place, the
identity that each unit adds is the rectified one. Figures on Set5: 37.74 / 34.03 / 31.68 dB.
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["DRRN", "SPECS", "recognise_drrn"]


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


class DRRN(Upscaler):
    """One recursive block of ``units`` residual units."""

    def __init__(self, scale: int, *, width: int = 128, units: int = 25) -> None:
        super().__init__()
        self.scale = scale
        self.units = units
        self.context_px = INPUT.enlarged(scale, 2).conv(3, times=2 * units + 2).context_px
        self.input = _conv(1, width)
        self.conv1 = _conv(width, width)
        self.conv2 = _conv(width, width)
        self.output = _conv(width, 1)
        self.relu = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        enlarged = enlarge(images, self.scale)
        identity = self.relu(self.input(self.relu(enlarged.to(self.input.weight.dtype))))
        features = identity
        for _ in range(self.units):
            features = self.conv2(self.relu(self.conv1(self.relu(features)))) + identity
        residual: Tensor = self.output(self.relu(features))
        return enlarged + residual.to(images.dtype)


def recognise_drrn(shapes: Shapes) -> Found | None:
    """DRRN with one recursive block, of any width; its 25 units cannot be read off the weights."""
    width = shapes["input.weight"][0]
    square = (width, width, 3, 3)
    if len(shapes) != 4 or shapes["conv1.weight"] != square or shapes["conv2.weight"] != square:
        return None
    if shapes["input.weight"][1:] != (1, 3, 3) or shapes["output.weight"] != (1, width, 3, 3):
        return None
    return Found("drrn", (2, 3, 4), lambda scale: DRRN(scale, width=width))


SPECS = (
    network_spec(
        "drrn",
        "Tai, Yang, Liu, CVPR 2017: DRRN B1U25",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=DRRN,
        parameters=297_216,
        recognise=recognise_drrn,
    ),
)
"""As published."""
