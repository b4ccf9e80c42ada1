"""FDAN: super-resolution and inverse tone mapping at once, by features split into a base and details.

Xu et al., "Joint super-resolution and inverse tone-mapping: a feature decomposition aggregation network and a new
benchmark", 2022 (arXiv:2207.03367). Post-upsampling, Y, Cb and Cr inside. Six blocks of 48: each splits its features
in two, keeps the difference of one half and a 1×1 convolution of the other, and goes on with that other, three times;
what is kept is put together under spatial attention. Then 1×1 over all blocks, 3×3, pixel shuffle. Parameters
126,660 / 142,248 / 204,600 / 454,008 at ×2, ×4, ×8, ×16. Names as in the authors' PyTorch code (CS-GangXu/FDAN), whose
files load.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import Found, Shapes
from vsr.networks.blocks import count, weights_dtype
from vsr.networks.inverse_tone import InverseToneUpscaler
from vsr.networks.spec import network_spec

__all__ = ["FDAN", "SPECS", "recognise_fdan"]

_COLOURS, _WIDTH, _BLOCKS, _SPLITS = 3, 48, 6, 3
_SLOPE = 0.05
_POOL, _STRIDE = 7, 3


class _Attention(nn.Module):
    """Weights for every value, from a view of the surroundings at a sixth of the size (ESA, after Liu et al. 2020)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = width // 4
        self.conv1, self.conv4 = nn.Conv2d(width, narrow, 1), nn.Conv2d(narrow, width, 1)
        self.conv_f = nn.Conv2d(narrow, narrow, 1)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride=2)
        self.conv_max, self.conv3, self.conv3_ = (nn.Conv2d(narrow, narrow, 3, padding=1) for _ in range(3))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        first = self.conv1(features)
        view = self.conv2(first)
        if min(view.shape[-2:]) >= _POOL:
            view = functional.max_pool2d(view, _POOL, _STRIDE)
        else:
            view = view.amax((-2, -1), keepdim=True)
        view = self.conv3_(self.conv3(self.conv_max(view).relu()).relu())
        view = functional.interpolate(view, features.shape[-2:], mode="bilinear", align_corners=False)
        weighted: Tensor = features * self.conv4(view + self.conv_f(first)).sigmoid()
        return weighted


class _Block(nn.Module):
    """Features split three times."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.esa = _Attention(width)
        for number in range(_SPLITS):
            half = width >> (number + 1)
            self.add_module(f"c{number}_e", nn.Conv2d(half, half, 1))
            self.add_module(f"c{number}_f", nn.Conv2d(half, half, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        kept = []
        for number in range(_SPLITS):
            direct, deep = features.chunk(2, 1)
            deep = self.get_submodule(f"c{number}_e")(deep).relu()
            kept.append(direct - deep)
            features = self.get_submodule(f"c{number}_f")(deep).relu()
        attended: Tensor = self.esa(torch.cat([*kept, features], 1))
        return attended


class FDAN(InverseToneUpscaler):
    """See the module."""

    def __init__(self, scale: int, *, width: int = _WIDTH, blocks: int = _BLOCKS) -> None:
        super().__init__()
        self.scale, self.context_px, self.min_size = scale, None, 3
        self.fea_conv = nn.Conv2d(_COLOURS, width, 3, padding=1)
        self._names = [f"B{number}" for number in range(1, blocks + 1)]
        for name in self._names:
            self.add_module(name, _Block(width))
        self.c = nn.Sequential(nn.Conv2d(width * blocks, width, 1), nn.LeakyReLU(_SLOPE))
        self.LR_conv = nn.Conv2d(width, width, 3, padding=1)
        last = nn.Conv2d(width, _COLOURS * scale * scale, 3, padding=1)
        self.upsampler = nn.Sequential(last, nn.PixelShuffle(scale))

    def in_codes(self, codes: Tensor) -> Tensor:
        """See `InverseToneUpscaler`."""
        first = self.fea_conv(codes.to(weights_dtype(self))).relu()
        features, made = first, []
        for name in self._names:
            features = self.get_submodule(name)(features)
            made.append(features)
        enlarged: Tensor = self.upsampler(self.LR_conv(self.c(torch.cat(made, 1))) + first)
        return enlarged.to(codes.dtype)


def recognise_fdan(shapes: Shapes) -> Found | None:
    """FDAN of any width and number of blocks."""
    blocks, width = count(shapes, "B", ".esa.conv_max.weight", first=1), shapes["LR_conv.weight"][0]
    scale = round((shapes["upsampler.0.weight"][0] / _COLOURS) ** 0.5)
    if shapes["c.0.weight"] != (width, blocks * width, 1, 1) or "B1.c2_f.weight" not in shapes:
        return None

    def build(scale: int) -> FDAN:
        return FDAN(scale, width=width, blocks=blocks)

    return Found("fdan", (scale,), build)


SPECS = (
    network_spec(
        "fdan",
        "Xu et al., 2022: FDAN, SDR to HDR",
        "post-upsampling",
        scales=(2, 4, 8, 16),
        colour="RGB",
        build=FDAN,
        parameters=(126_660, 142_248, 204_600, 454_008),
        recognise=recognise_fdan,
        family="inverse-tone",
        is_generative=True,
    ),
)
