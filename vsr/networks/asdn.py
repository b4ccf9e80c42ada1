"""ASDN: any magnification from eleven levels of detail between ×1 and ×2, and from ×2 again beyond; FSDN: fixed ones.

Shen, Wang, Zhang, "ASDN: a deep convolutional network for arbitrary scale image super-resolution", Mobile Networks and
Applications 2021 (2020 on arXiv). RGB, 0…1. ASDN is pre-upsampling: the image is interpolated to each of two levels,
r_i = 1, 1.1 … 2, between which the magnification r lies; a body finds features there, and each level has a branch that
makes detail of them: O_r = O_{r_i} + w_r·(O_{r_{i-1}} - O_{r_i}), w_r = 10·(r_i - r). Beyond ×2 it is run for ×2 first,
and again, the rest last. The body joins 16 blocks densely, each of eight densely joined 3×3 layers of 64 and attention
to channels: 22,438,288 numbers (22.4M). FSDN is the same body at the small size, then a deconvolution. Built from
the paper's text and its count; how FSDN goes from the body's 1088 features to 64, and that attention looks at
means, is ours. No weights are to be had. Figures on Set5: ASDN 38.12 / 34.48 / 32.27, FSDN 38.27 / 34.75 / 32.63 dB.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from vsr.networks.attention import ChannelAttention
from vsr.networks.base import AnyScaleUpscaler, Found, Shapes, Upscaler
from vsr.networks.blocks import count, weights_dtype
from vsr.networks.grids import Grid
from vsr.networks.spec import network_spec
from vsr.observation import resample

__all__ = ["ASDN", "FSDN", "SPECS", "recognise_asdn"]

LEVELS = 11
"""From ×1 to ×2."""

_EXACT = 1e-6  # of a level: magnifications nearer to one are that one
_WHOLE = 1 << 40  # rows: a pixel is made of the whole image
_KERNELS = {2: (6, 2, 2), 3: (9, 3, 3), 4: (8, 4, 2)}  # of the deconvolution: size, stride, padding


class _DenseAttentionBlock(nn.Module):
    def __init__(self, inputs: int, layers: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, width, 1)
        self.layers = nn.ModuleList(nn.Conv2d((number + 1) * width, width, 3, padding=1) for number in range(layers))
        self.leave = nn.Conv2d((layers + 1) * width, width, 1)
        self.attention = ChannelAttention(width, max(1, width // 4))

    def forward(self, features: Tensor) -> Tensor:
        given = self.enter(features)
        seen = given
        for layer in self.layers:
            seen = torch.cat((seen, relu(layer(seen))), 1)
        result: Tensor = self.attention(given + self.leave(seen))
        return result


class _Body(nn.Module):
    """``(B, 3, H, W)`` → ``(B, (1 + blocks)·width, H, W)``: a first layer and what every block found."""

    def __init__(self, blocks: int, layers: int, width: int) -> None:
        super().__init__()
        self.entry = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            _DenseAttentionBlock((number + 1) * width, layers, width) for number in range(blocks)
        )

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.entry(images)
        for block in self.blocks:
            features = torch.cat((features, block(features)), 1)
        return features


class _Branch(nn.Module):
    """Detail of one level: features seen as an image, each place of it weighed."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.image = nn.Conv2d(inputs, 3, 1)
        self.places = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU(inplace=True), nn.Conv2d(6, 3, 1), nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        image = self.image(features)
        detail: Tensor = image * self.places(image)
        return detail


class ASDN(AnyScaleUpscaler):
    """The body, at each level's own size, and a branch for each of ``LEVELS``.

    Attention looks at whole images, so a pixel is made of the whole image. About 1,100 features are held for each
    pixel of the larger level: small frames.
    """

    def __init__(self, scale: int, *, blocks: int = 16, layers: int = 8, width: int = 64) -> None:
        super().__init__()
        self.scale, self.context_px = scale, None
        self.feature_channels, self.features_context_px, self.margin_px = 3, 0, _WHOLE
        self.body = _Body(blocks, layers, width)
        self.branches = nn.ModuleList(_Branch((blocks + 1) * width) for _ in range(LEVELS))

    def features(self, images: Tensor) -> Tensor:
        """The images themselves: levels have sizes of their own."""
        return images

    def render(self, features: Tensor, grid: Grid) -> Tensor:
        """See `AnyScaleUpscaler`; all rows at once."""
        assert features.shape[-2] == grid.size_yx[0], "its margin is the whole image"
        images, out_yx = features.float(), (len(grid.y), len(grid.x))
        rest = max(1 / side for side in grid.cell_yx)
        while rest > 2 + _EXACT:
            images = self._level(images, LEVELS - 1)
            rest /= 2
        place = (LEVELS - 1) * (rest - 1)
        upper = max(0, math.ceil(place - _EXACT))
        made = _resized(self._level(images, upper), out_yx)
        if (weight := upper - place) > _EXACT:
            lower = _resized(self._level(images, upper - 1), out_yx)
            made = made + weight * (lower - made)
        return made

    def _level(self, images: Tensor, level: int) -> Tensor:
        """O of a level, ``(B, 3, r·H, r·W)`` float32, r = 1 + level / 10, sides rounded."""
        height, width = images.shape[-2:]
        factor = 1 + level / (LEVELS - 1)
        enlarged = _resized(images, (round(factor * height), round(factor * width)))
        features = self.body(enlarged.to(weights_dtype(self.body)))
        detail: Tensor = self.branches[level](features)
        return enlarged + detail.float()


def _resized(images: Tensor, size_yx: tuple[int, int]) -> Tensor:
    """Bicubic interpolation as `vsr.observation.resample`, by products of matrices, which gradients can pass."""
    if images.shape[-2:] == size_yx:
        return images
    down, across = (_matrix(size, out).to(images) for size, out in zip(images.shape[-2:], size_yx, strict=True))
    return down @ images @ across.T


def _matrix(size: int, out: int) -> Tensor:
    """``(out, size)``."""
    return resample(torch.eye(size, dtype=torch.float64), (out, size), kernel="bicubic")


class FSDN(Upscaler):
    """The body at the small size, its features brought together, a deconvolution, exit; adds bicubic interpolation."""

    def __init__(self, scale: int, *, blocks: int = 16, layers: int = 8, width: int = 64) -> None:
        super().__init__()
        self.scale, self.context_px = scale, None
        self.body = _Body(blocks, layers, width)
        self.fuse = nn.Conv2d((blocks + 1) * width, width, 1)
        self.deconv = nn.ConvTranspose2d(width, width, *_KERNELS[scale])
        self.exit = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        height, width = images.shape[-2:]
        features = self.fuse(self.body(images.to(weights_dtype(self.body))))
        detail: Tensor = self.exit(relu(self.deconv(features)))
        return detail.to(images.dtype) + _resized(images, (self.scale * height, self.scale * width))


def recognise_asdn(shapes: Shapes) -> Found | None:
    """ASDN and FSDN of any width and depth."""
    width = shapes["body.entry.weight"][0]
    blocks, layers = count(shapes, "body.blocks.", ".enter.weight"), count(shapes, "body.blocks.0.layers.", ".weight")
    if count(shapes, "branches.", ".image.weight") == LEVELS:
        return Found("asdn", (2, 3, 4), partial(ASDN, blocks=blocks, layers=layers, width=width))
    scale = {kernel: scale for scale, (kernel, _, _) in _KERNELS.items()}[shapes["deconv.weight"][2]]
    return Found("fsdn", (scale,), partial(FSDN, blocks=blocks, layers=layers, width=width))


SPECS = (
    network_spec(
        "asdn",
        "Shen, Wang, Zhang, MONET 2021: ASDN, 11 levels from x1 to x2, any scale",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=ASDN,
        parameters=22_438_288,
        recognise=recognise_asdn,
        family="any-scale",
    ),
    network_spec(
        "fsdn",
        "Shen, Wang, Zhang, MONET 2021: FSDN, ASDN's body for one scale",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=FSDN,
        parameters=(22_620_803, 22_805_123, 22_735_491),
        recognise=recognise_asdn,
    ),
)
"""As its text describes it; ASDN's whole scales are those of tables."""
