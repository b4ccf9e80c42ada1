"""Lite for any magnification: the features of `lite`, and pixels made of them anywhere.

vsr's own. Post-upsampling at any scale, Y, 0…1, residual on bicubic interpolation. The chain of `vsr.networks.lite` is
that of ×2, as it is. A 1×1 conv 160→32 over it, a 3×3 conv 32→32 and one 32→64 are learnt for this; a pixel is then
a sum of 64 terms of the small pixel that it lies in, each weighed by a function of where it lies down and one of
where it lies across. A perceptron gives both from the offset and from the pixel's size (2→32→32→64 each), so
what is computed for a pixel of the result is 128 multiplications. (After Meta-SR, which predicts whole filters: Hu et
al., CVPR 2019; and LIIF: Chen et al., CVPR 2021.) Numbers: 150,080, of which 38,272 beside the chain.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from vsr.networks.base import AnyScaleUpscaler, Found, Shapes
from vsr.networks.blocks import count, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.grids import Grid
from vsr.networks.spec import network_spec
from vsr.observation.resample import KERNELS

__all__ = ["SPECS", "LiteAny", "recognise_lite_any"]

_WIDTH, _DEPTH, _TERMS, _HIDDEN = 32, 12, 64, 32
_STAGE = 3  # convolutions from one of the features that are fused to the next, as in `lite`
_SLOPE = 0.1
_TAPS = torch.arange(-1, 3)
_SUMMED = 1 << 22  # products that are held together


class LiteAny(AnyScaleUpscaler):
    """The chain of `lite`, and sums of separable terms."""

    def __init__(
        self, scale: int, *, width: int = _WIDTH, depth: int = _DEPTH, terms: int = _TERMS, hidden: int = _HIDDEN
    ) -> None:
        super().__init__()
        self.scale, self.feature_channels, self.margin_px = scale, terms + 1, 2
        self.features_context_px = self.context_px = INPUT.conv(5).conv(3, times=depth + 2).context_px
        self.head = nn.Conv2d(1, width, 5, padding=2)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.fuse = nn.Conv2d((1 + depth // _STAGE) * width, width, 1)
        self.refine = nn.Conv2d(width, width, 3, padding=1)
        self.expand = nn.Conv2d(width, terms, 3, padding=1)
        self.place = nn.Sequential(
            nn.Linear(2, hidden),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(hidden, 2 * terms),
        )

    def chain(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` → ``(B, stages·width, H, W)``: the features of `lite` that are fused, side by side."""
        features = leaky_relu(self.head(images.to(weights_dtype(self.head))), _SLOPE)
        kept = [features]
        for number, conv in enumerate(self.body, 1):
            features = leaky_relu(conv(features), _SLOPE)
            if number % _STAGE == 0:
                kept.append(features)
        return torch.cat(kept, 1)

    def terms(self, chain: Tensor, images: Tensor) -> Tensor:
        """``(B, terms + 1, H, W)`` in the type of ``images``: the terms, and the image itself."""
        fused = self.fuse(chain)
        refined = fused + leaky_relu(self.refine(fused), _SLOPE)
        return torch.cat([self.expand(refined).to(images.dtype), images], 1)

    def features(self, images: Tensor) -> Tensor:
        """See `AnyScaleUpscaler`; the last channel is the image, in its own type."""
        return self.terms(self.chain(images), images)

    def render(self, features: Tensor, grid: Grid) -> Tensor:
        """See `AnyScaleUpscaler`."""
        terms, image = features[:, :-1].float(), features[:, -1:]
        count, (batch, _, _, width) = self.feature_channels - 1, terms.shape
        (row, down), (column, across) = (
            self._weights(places, cell, size, features.device)
            for places, cell, size in zip((grid.y, grid.x), grid.cell_yx, grid.size_yx, strict=True)
        )
        row, down, across = row - grid.first_row, down[:, :count], across[:, count:]
        # pixels of a row that lie in one small pixel are a product of matrices
        number = torch.arange(len(column), device=column.device) - torch.searchsorted(column, column)
        most = int(number.max()) + 1
        weights = across.new_zeros(width, most, count)
        weights = weights.index_put((column, number), across).mT.expand(batch, -1, -1, -1).flatten(0, 1)
        by_column = terms.permute(0, 3, 2, 1).contiguous()
        step = max(1, _SUMMED // (batch * width * count))
        parts = []
        for start in range(0, len(row), step):
            rows = slice(start, start + step)
            products = torch.bmm((by_column[:, :, row[rows]] * down[rows]).flatten(0, 1), weights)
            sums = products.reshape(batch, width, -1, most).transpose(1, 2).flatten(2)
            parts.append(sums[:, None, :, column * most + number])
        return _interpolate(image, grid) + torch.cat(parts, -2)

    def _weights(self, places: Tensor, cell: float, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """The small pixel each place lies in, and ``(N, 2·terms)`` float32: weights of the terms there."""
        own = (places + 0.5).floor().clamp(0, size - 1)
        given = torch.stack([2 * (places - own), torch.full_like(places, 2 * cell - 1)], -1)
        weights: Tensor = self.place(given.to(device, weights_dtype(self.place)))
        return own.long().to(device), weights.float()


def _interpolate(image: Tensor, grid: Grid) -> Tensor:
    """Bicubic interpolation of ``(B, 1, h, W)`` at the pixels of ``grid``, mirrored beyond the border."""
    result = image
    for places, size, first, axis in ((grid.y, grid.size_yx[0], grid.first_row, -2), (grid.x, grid.size_yx[1], 0, -1)):
        taps = places.floor().long() + _TAPS[:, None]
        weights = KERNELS["bicubic"][0](places - taps).to(image.device, image.dtype)
        folded = torch.remainder(taps, 2 * size)
        indices = (torch.minimum(folded, 2 * size - 1 - folded) - first).to(image.device)
        weights = weights[..., None] if axis == -2 else weights
        summed = [result.index_select(axis, index) * weight for index, weight in zip(indices, weights, strict=True)]
        result = torch.stack(summed).sum(0)
    return result


def recognise_lite_any(shapes: Shapes) -> Found | None:
    """Of any width and depth."""
    width, depth = shapes["head.weight"][0], count(shapes, "body.", ".weight")
    terms, hidden = shapes["expand.weight"][0], shapes["place.0.weight"][0]
    if shapes["head.weight"][1:] != (1, 5, 5) or shapes["place.4.weight"] != (2 * terms, hidden):
        return None
    if shapes["fuse.weight"] != (width, (1 + depth // _STAGE) * width, 1, 1):
        return None

    def build(scale: int) -> LiteAny:
        return LiteAny(scale, width=width, depth=depth, terms=terms, hidden=hidden)

    return Found("lite-any", (2, 3, 4), build)


SPECS = (
    network_spec(
        "lite-any",
        "vsr, 2026: the features of lite, and sums of separable terms, any scale",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=LiteAny,
        parameters=150_080,
        recognise=recognise_lite_any,
        family="any-scale",
    ),
)
"""The whole scales are those of tables."""
