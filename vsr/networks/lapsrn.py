"""LapSRN: enlarges twofold at a time, and adds at each step what the step before missed.

Lai, Huang, Ahuja, Yang, "Deep Laplacian pyramid networks for fast and accurate super-resolution", CVPR 2017.
Progressive, Y, 0…1. The authors' MATLAB files have ten layers a level (five at ×8), deconvolutions 3×3 cut at the
end, and biases: 407,441 (×2), 814,242 (×4; 812,768 without biases: the paper's 812K), 667,123 (×8) learnt. Names as
in the PyTorch code of twtygqyy, whose files have deconvolutions 4×4 and no biases. Figures on Set5: 37.52 / 33.82 /
31.54, ×8 26.15 dB.
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import KeepsFloat32, count, doublings
from vsr.networks.footprint import INPUT, Footprint
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "CutDeconv", "ImageDeconv", "LapSRN", "deconv_footprint", "make_deconv", "recognise_lapsrn"]

_SLOPE = 0.2


class CutDeconv(nn.ConvTranspose2d):
    """A 3×3 deconvolution with stride 2 that loses its last row and column: twice the size, shifted as MATLAB's."""

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        """``(B, C, H, W)`` → ``(B, C', 2·H, 2·W)``."""
        return super().forward(features, output_size)[..., :-1, :-1]


class ImageDeconv(KeepsFloat32, nn.ConvTranspose2d):
    """The learnt enlargement of the image itself, 4×4, in float32."""

    def __init__(self) -> None:
        super().__init__(1, 1, 4, stride=2, padding=1, bias=False)


def make_deconv(width: int, size: int, bias: bool) -> nn.ConvTranspose2d:
    """A deconvolution of features to twice the size."""
    if size == 3:
        return CutDeconv(width, width, 3, stride=2, bias=bias)
    return nn.ConvTranspose2d(width, width, size, stride=2, padding=(size - 2) // 2, bias=bias)


def deconv_footprint(footprint: Footprint, size: int) -> Footprint:
    """What samples depend on after `make_deconv`."""
    return footprint.deconv(size, 2, 0 if size == 3 else (size - 2) // 2)


class _Level(nn.Module):
    def __init__(self, width: int, depth: int, up_size: int, bias: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1, bias=bias), nn.LeakyReLU(_SLOPE, inplace=True)]
        self.cov_block = nn.Sequential(*layers, make_deconv(width, up_size, bias), nn.LeakyReLU(_SLOPE, inplace=True))

    def forward(self, features: Tensor) -> Tensor:
        enlarged: Tensor = self.cov_block(features)
        return enlarged


class LapSRN(Upscaler):
    """As many levels as the scale has factors of two."""

    def __init__(self, scale: int, *, width: int = 64, depth: int = 0, up_size: int = 3, bias: bool = True) -> None:
        super().__init__()
        self.scale = scale
        self._levels = range(1, doublings(scale) + 1)
        depth = depth or (5 if scale == 8 else 10)
        self.conv_input = nn.Conv2d(1, width, 3, padding=1, bias=bias)
        self.relu = nn.LeakyReLU(_SLOPE, inplace=True)
        image, features = INPUT, INPUT.conv(3)
        for level in self._levels:
            self.add_module(f"convt_I{level}", ImageDeconv())
            self.add_module(f"convt_R{level}", nn.Conv2d(width, 1, 3, padding=1, bias=bias))
            self.add_module(f"convt_F{level}", nn.Sequential(_Level(width, depth, up_size, bias)))
            features = deconv_footprint(features.conv(3, times=depth), up_size)
            image = image.deconv(4, 2, 1).join(features.conv(3))
        self.context_px = image.context_px

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        features = self.relu(self.conv_input(images.to(self.conv_input.weight.dtype)))
        result = images
        for level in self._levels:
            features = self.get_submodule(f"convt_F{level}")(features)
            residual: Tensor = self.get_submodule(f"convt_R{level}")(features)
            result = self.get_submodule(f"convt_I{level}")(result) + residual.to(images.dtype)
        return result


def recognise_lapsrn(shapes: Shapes) -> Found | None:
    """LapSRN of any width and depth, with biases or without."""
    width = shapes["conv_input.weight"][0]
    levels = count(shapes, "convt_I", ".weight", first=1)
    layers = [name for name, shape in shapes.items() if name.startswith("convt_F1.0.cov_block.") and len(shape) == 4]
    if levels == 0 or shapes["conv_input.weight"][1:] != (1, 3, 3):
        return None
    depth = len(layers) - 1
    up_size = shapes[f"convt_F1.0.cov_block.{2 * depth}.weight"][2]
    bias = "conv_input.bias" in shapes
    return Found(
        "lapsrn",
        (2**levels,),
        lambda scale: LapSRN(scale, width=width, depth=depth, up_size=up_size, bias=bias),
    )


SPECS = (
    network_spec(
        "lapsrn",
        "Lai, Huang, Ahuja, Yang, CVPR 2017: LapSRN",
        "progressive",
        scales=(2, 4, 8),
        colour="Y",
        build=LapSRN,
        parameters=(407_441, 814_242, 667_123),
        recognise=recognise_lapsrn,
    ),
)
"""As published."""
