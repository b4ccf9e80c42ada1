"""Meta-SR: a small network predicts the filter of each pixel from where it lies, so any magnification will do.

Hu, Mu, Zhang, Wang, Sun, Tan, "Meta-SR: a magnification-arbitrary network for super-resolution", CVPR 2019.
Post-upsampling at any scale, RGB, 0…255. Two layers (3 → 256 → 3·3·64·3) turn a pixel's offset in its small pixel,
down and across, and one over the scale into a filter on the 3×3 places around; the body is RDN's (22.4M) or that of
EDSR's baseline (1.7M) without their ends. Built from the paper's text with the names of those bodies; no weights are
to be had. Figures of Meta-RDN on BSD100: ×2 32.35, ×4 27.79 dB.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from vsr.networks.base import AnyScaleUpscaler, Found, Shapes
from vsr.networks.blocks import ResidualBlock, count, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.grids import Grid
from vsr.networks.rdn import RDNBody
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "MetaSR", "meta_edsr", "meta_rdn", "recognise_meta_sr"]

_RANGE = 255.0
_PLACES = 9  # 3×3
_PIXELS = 1 << 14  # whose filters are held together


class _EDSRBody(nn.Module):
    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, padding=1))
        body = [ResidualBlock(width) for _ in range(blocks)]
        self.body = nn.Sequential(*body, nn.Conv2d(width, width, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.head(images)
        result: Tensor = self.body(features)
        return result + features


class MetaSR(AnyScaleUpscaler):
    """A body at the small size, and the filters that are predicted for each pixel."""

    def __init__(
        self, scale: int, body: nn.Module, body_context_px: int, *, width: int = 64, hidden: int = 256
    ) -> None:
        super().__init__()
        self.scale, self.feature_channels = scale, width
        self.margin_px = 2  # a pixel's own is that of its start, which may be the one before that of its centre
        self.features_context_px = body_context_px
        self.context_px = body_context_px + 1
        self.body = body
        self.P2W = nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, 3 * width * _PLACES))

    def features(self, images: Tensor) -> Tensor:
        """See `AnyScaleUpscaler`."""
        result: Tensor = self.body((_RANGE * images).to(weights_dtype(self.body)))
        return result

    def render(self, features: Tensor, grid: Grid) -> Tensor:
        """See `AnyScaleUpscaler`. Pixels that lie alike in their small pixels share a filter."""
        (row, off_y), (column, off_x) = (
            _own(places, cell, size)
            for places, cell, size in zip((grid.y, grid.x), grid.cell_yx, grid.size_yx, strict=True)
        )
        kinds_y, kind_y = torch.unique(off_y, return_inverse=True)
        kinds_x, kind_x = torch.unique(off_x, return_inverse=True)
        around = pad(features, (1, 1, 1, 1))
        result = features.new_zeros((len(features), 3, len(row), len(column)), dtype=torch.float32)
        for number, offset_y in enumerate(kinds_y):
            rows = (kind_y == number).nonzero().flatten()
            self._fill(result, around, grid, row, rows, column, (offset_y, kinds_x, kind_x))
        return result / _RANGE

    def _fill(
        self,
        result: Tensor,
        around: Tensor,
        grid: Grid,
        row: Tensor,
        rows: Tensor,
        column: Tensor,
        offsets: tuple[Tensor, Tensor, Tensor],
    ) -> None:
        """The rows that lie alike, kind of column by kind of column."""
        offset_y, kinds_x, kind_x = offsets
        positions = torch.stack([offset_y.expand(len(kinds_x)), kinds_x, torch.full_like(kinds_x, grid.cell_yx[0])], -1)
        filters = self.P2W(positions.to(around.device, weights_dtype(self.P2W)))
        filters = filters.reshape(len(kinds_x), self.feature_channels, _PLACES, 3)
        above = [around[:, :, (row[rows] - grid.first_row + down).to(around.device)] for down in range(3)]
        for start in range(0, len(column), _PIXELS):
            places = column[start : start + _PIXELS].to(around.device)
            total: Tensor | None = None
            kind = filters[kind_x[start : start + _PIXELS].to(around.device)]
            for down, right in ((down, right) for down in range(3) for right in range(3)):
                values = above[down][..., places + right].to(kind.dtype)
                part = torch.einsum("bcyx,xck->bkyx", values, kind[:, :, 3 * down + right])
                total = part.float() if total is None else total + part.float()
            assert total is not None
            result[:, :, rows.to(result.device), start : start + _PIXELS] = total


def _own(places: Tensor, cell: float, size: int) -> tuple[Tensor, Tensor]:
    """The small pixel that each lies in, and how far from its start its own start is, of its side."""
    start = places + 0.5 - 0.5 * cell
    found = (start + 1e-9).floor().clamp(0, size - 1)
    return found.long(), (start - found).round(decimals=9)


def meta_edsr(scale: int, *, blocks: int = 16, width: int = 64) -> MetaSR:
    """On EDSR's baseline."""
    return MetaSR(scale, _EDSRBody(blocks, width), INPUT.conv(3, times=2 + 2 * blocks).context_px, width=width)


def meta_rdn(scale: int, *, blocks: int = 16, layers: int = 8, growth: int = 64, width: int = 64) -> MetaSR:
    """On RDN."""
    body = RDNBody(blocks=blocks, layers=layers, growth=growth, width=width)
    return MetaSR(scale, body, INPUT.conv(3, times=3 + blocks * layers).context_px, width=width)


def recognise_meta_sr(shapes: Shapes) -> Found | None:
    """Meta-SR on either body, of any width and depth."""
    if shapes["P2W.0.weight"][1] != 3:
        return None
    if "body.head.0.weight" in shapes:
        blocks = count(shapes, "body.body.", ".body.0.weight")
        build = partial(meta_edsr, blocks=blocks, width=shapes["body.head.0.weight"][0])
        return Found("meta-edsr", (2, 3, 4), build)
    width, growth = shapes["body.SFENet1.weight"][0], shapes["body.RDBs.0.convs.0.conv.0.weight"][0]
    blocks, layers = count(shapes, "body.RDBs.", ".LFF.weight"), count(shapes, "body.RDBs.0.convs.", ".conv.0.weight")
    return Found("meta-rdn", (2, 3, 4), partial(meta_rdn, blocks=blocks, layers=layers, growth=growth, width=width))


SPECS = (
    network_spec(
        "meta-edsr",
        "Hu et al., CVPR 2019: Meta-SR on EDSR's baseline, any scale",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=meta_edsr,
        parameters=1_665_536,
        recognise=recognise_meta_sr,
        value_range=255,
        family="any-scale",
    ),
    network_spec(
        "meta-rdn",
        "Hu et al., CVPR 2019: Meta-SR on RDN, any scale",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=meta_rdn,
        parameters=22_419_072,
        recognise=recognise_meta_sr,
        value_range=255,
        family="any-scale",
    ),
)
"""As its text describes it; the whole scales are those of tables."""
