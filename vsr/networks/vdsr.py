"""VDSR: twenty layers that learn what interpolation misses.

Kim, Lee, Lee, "Accurate image super-resolution using very deep convolutional networks", CVPR 2016. Pre-upsampling
with a global residual, Y, 0…1; one set of weights for ×2, ×3 and ×4: 664,704 weights (665K), with biases 665,921.
Names as in the PyTorch code of twtygqyy, which has no biases. Figures on Set5: 37.53 / 33.66 / 31.35 dB.
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "VDSR", "recognise_vdsr"]


class _ConvReLU(nn.Module):
    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.relu(self.conv(features))
        return result


class VDSR(Upscaler):
    """``depth`` layers of 3×3 on the interpolated image; their result is added to it."""

    def __init__(self, scale: int, *, depth: int = 20, width: int = 64, bias: bool = True) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.enlarged(scale, 2).conv(3, times=depth).context_px
        self.input = nn.Conv2d(1, width, 3, padding=1, bias=bias)
        self.residual_layer = nn.Sequential(*(_ConvReLU(width, bias) for _ in range(depth - 2)))
        self.output = nn.Conv2d(width, 1, 3, padding=1, bias=bias)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        enlarged = enlarge(images, self.scale)
        features = self.relu(self.input(enlarged.to(self.input.weight.dtype)))
        residual: Tensor = self.output(self.residual_layer(features))
        return enlarged + residual.to(images.dtype)


def recognise_vdsr(shapes: Shapes) -> Found | None:
    """VDSR of any width and depth, with biases or without."""
    width = shapes["input.weight"][0]
    depth = count(shapes, "residual_layer.", ".conv.weight")
    if shapes["input.weight"][1:] != (1, 3, 3) or shapes["output.weight"] != (1, width, 3, 3) or depth == 0:
        return None
    bias = "input.bias" in shapes
    return Found("vdsr", (2, 3, 4), lambda scale: VDSR(scale, depth=depth + 2, width=width, bias=bias))


SPECS = (
    network_spec(
        "vdsr",
        "Kim, Lee, Lee, CVPR 2016: VDSR, 20 layers",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=VDSR,
        parameters=665_921,
        recognise=recognise_vdsr,
    ),
)
"""As published."""
