"""CSNLN: patches are made of larger patches of the same image that look like them when downscaled.

Mei, Fan, Zhou, Huang, Huang, Shi, "Image super-resolution with cross-scale non-local attention and exhaustive
self-exemplars mining", CVPR 2020. Iterative: one cell runs twelve times, and all its enlarged features are fused.
RGB, 0…255 less the mean of DIV2K; 128 channels, ×4 in two doublings. Names as in the authors' PyTorch code; no
weights are to be had. Memory grows with the square of the image, so large ones run in tiles. Figures on Set5: 38.28
/ 34.74 / 32.68 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import fold, interpolate, unfold

from vsr.networks.attention import attend
from vsr.networks.base import Found, Shapes
from vsr.networks.blocks import ShiftedUpscaler
from vsr.networks.spec import network_spec

__all__ = ["CSNLN", "SPECS", "recognise_csnln"]

_PATCH = 3
_SHARPNESS = 10.0  # of the softmax over normalised patches
_OVERLAP = 6.0  # what the sum of overlapping patches is divided by, at every scale
_PROJECTION = {2: (6, 2, 2), 3: (9, 3, 3), 4: (6, 2, 2)}  # kernel, stride, padding
_TO_FOURFOLD = (8, 4, 2)


def _conv(inputs: int, outputs: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.PReLU())


class _InScale(nn.Module):
    """Non-local attention at one scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_match1, self.conv_match2 = _conv(width, width // 2, 1), _conv(width, width // 2, 1)
        self.conv_assembly = _conv(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        layers = (self.conv_match1, self.conv_match2, self.conv_assembly)
        queries, keys, values = (layer(features).flatten(2) for layer in layers)
        return attend(queries, keys, values).reshape(features.shape)


class _CrossScale(nn.Module):
    """Each place becomes a mean of patches ``scale`` times as large, weighed by how alike they are downscaled."""

    def __init__(self, width: int, scale: int) -> None:
        super().__init__()
        self._scale = scale
        self.register_buffer("escape_NaN", torch.tensor([1e-4]))
        self.conv_match_1, self.conv_match_2 = _conv(width, width // 2, 1), _conv(width, width // 2, 1)
        self.conv_assembly = _conv(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        scale, height, width = self._scale, *features.shape[-2:]
        small = interpolate(features, size=(height // scale, width // scale), mode="bilinear", align_corners=False)
        keys = unfold(self.conv_match_2(small), _PATCH, padding=_PATCH // 2)
        length = keys.square().sum(1, keepdim=True).sqrt()
        keys = keys / torch.maximum(length, self.get_buffer("escape_NaN").to(length.dtype))
        queries = unfold(self.conv_match_1(features), _PATCH, padding=_PATCH // 2) * _SHARPNESS
        side = scale * _PATCH
        values = unfold(self.conv_assembly(features), side, stride=scale, padding=scale)
        patches = attend(queries, keys, values)
        return fold(patches, (scale * height, scale * width), side, stride=scale, padding=scale) / _OVERLAP


class _MultiSource(nn.Module):
    """What both attentions found, the one corrected by the other."""

    def __init__(self, width: int, scale: int) -> None:
        super().__init__()
        self.up_attention = _CrossScale(width, 3 if scale == 3 else 2)
        self.down_attention = _InScale(width)
        self.upsample = nn.Sequential(nn.ConvTranspose2d(width, width, *_PROJECTION[scale]), nn.PReLU())
        self.encoder = _Corrector(width)

    def forward(self, features: Tensor) -> Tensor:
        plain: Tensor = self.upsample(self.down_attention(features))
        corrected: Tensor = self.encoder(self.up_attention(features) - plain)
        return plain + corrected


class _Corrector(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.PReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.body(features)
        return result + features


class _Cell(nn.Module):
    """Enlarged features, and what goes into the next round."""

    def __init__(self, width: int, scale: int) -> None:
        super().__init__()
        shape = _PROJECTION[scale]

        def down(kernel: int, stride: int, padding: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(width, width, kernel, stride, padding), nn.PReLU())

        def up(kernel: int, stride: int, padding: int) -> nn.Sequential:
            return nn.Sequential(nn.ConvTranspose2d(width, width, kernel, stride, padding), nn.PReLU())

        self.multi_source_projection = _MultiSource(width, scale)
        self.down_sample_1 = down(*shape)
        self.error_encode = up(*shape)
        self.post_conv = _conv(width, width, 3)
        self._is_fourfold = scale == 4
        if self._is_fourfold:
            self.multi_source_projection_2 = _MultiSource(width, scale)
            self.down_sample_3, self.down_sample_4 = down(*_TO_FOURFOLD), down(*_TO_FOURFOLD)
            self.error_encode_2 = up(*_TO_FOURFOLD)
        else:
            self.down_sample_2 = down(*shape)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        large = self.multi_source_projection(features)
        large = large + self.error_encode(features - self.down_sample_1(large))
        if not self._is_fourfold:
            return self.post_conv(self.down_sample_2(large)), large
        large = self.multi_source_projection_2(large)
        large = large + self.error_encode_2(features - self.down_sample_3(large))
        return self.post_conv(self.down_sample_4(large)), large


class CSNLN(ShiftedUpscaler):
    """Two layers, one cell ``depth`` times over, one layer that fuses all that it enlarged."""

    def __init__(self, scale: int, *, width: int = 128, depth: int = 12) -> None:
        super().__init__(scale)
        self.context_px = None
        self.multiple = self.min_size = 3 if scale == 3 else 2
        self._depth = depth
        self.head = nn.Sequential(_conv(3, width, 3), _conv(width, width, 3))
        self.SEM = _Cell(width, scale)
        self.tail = nn.Sequential(nn.Conv2d(width * depth, 3, 3, padding=1))

    def enlarged(self, shifted: Tensor) -> Tensor:
        """See `ShiftedUpscaler`."""
        features, found = self.head(shifted), []
        for _ in range(self._depth):
            features, large = self.SEM(features)
            found.append(large)
        result: Tensor = self.tail(torch.cat(found, 1))
        return result


def recognise_csnln(shapes: Shapes) -> Found | None:
    """CSNLN of any width and depth."""
    width, kernel = shapes["SEM.down_sample_1.0.weight"][1:3]
    depth = shapes["tail.0.weight"][1] // width
    scale = 3 if kernel == 9 else 4 if "SEM.error_encode_2.0.weight" in shapes else 2
    return Found("csnln", (scale,), lambda scale: CSNLN(scale, width=width, depth=depth))


SPECS = (
    network_spec(
        "csnln",
        "Mei et al., CVPR 2020: CSNLN, 12 rounds of 128 channels",
        "iterative",
        scales=(2, 3, 4),
        colour="RGB",
        build=CSNLN,
        parameters=(3_061_289, 6_010_409, 6_568_627),
        recognise=recognise_csnln,
        value_range=255,
    ),
)
"""As published."""
