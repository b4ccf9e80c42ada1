"""LIIF: a small network reads the colour at any place from the features around it, so any magnification will do.

Chen, Liu, Wang, "Learning continuous image representation with local implicit image function", CVPR 2021.
Post-upsampling at any scale, RGB, -1…1 inside. The body is EDSR's baseline without its end; for each pixel a
perceptron of four layers of 256 is given the features of 3×3 places, where it lies from the middle one, and its size;
four such answers, from the nearest places, are weighed by area. 1,567,323 numbers with the body's two mean shifts,
which are not used. Names as in the authors' PyTorch code; their files (edsr-baseline-liif) load as they are, also in
half precision. The first layer is linear in the features, so it runs once a place and not once a pixel.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, relu

from vsr.networks.base import AnyScaleUpscaler, Found, Shapes
from vsr.networks.blocks import MeanShift, ResidualBlock, count, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.grids import Grid
from vsr.networks.spec import network_spec

__all__ = ["LIIF", "SPECS", "recognise_liif"]

_SHIFT = 1e-6  # of an image's half side: what decides between two places equally near
_LEAST_AREA = 1e-9
_PIXELS = 1 << 15  # that go through the perceptron together


class _Encoder(nn.Module):
    """EDSR without its end."""

    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        self.sub_mean, self.add_mean = MeanShift(-1, 1.0), MeanShift(1, 1.0)
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, padding=1))
        body = [ResidualBlock(width) for _ in range(blocks)]
        self.body = nn.Sequential(*body, nn.Conv2d(width, width, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.head(images)
        result: Tensor = self.body(features)
        return result + features


class _Perceptron(nn.Module):
    def __init__(self, inputs: int, hidden: int, depth: int) -> None:
        super().__init__()
        widths = [inputs, *[hidden] * depth]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 3))


class LIIF(AnyScaleUpscaler):
    """Encoder of ``blocks``, perceptron of ``depth`` hidden layers."""

    def __init__(self, scale: int, *, blocks: int = 16, width: int = 64, hidden: int = 256, depth: int = 4) -> None:
        super().__init__()
        self.scale, self.feature_channels, self.margin_px = scale, width, 2
        self.features_context_px = INPUT.conv(3, times=2 + 2 * blocks).context_px
        self.context_px = self.features_context_px + self.margin_px
        self.encoder = _Encoder(blocks, width)
        self.imnet = _Perceptron(9 * width + 4, hidden, depth)

    def features(self, images: Tensor) -> Tensor:
        """See `AnyScaleUpscaler`."""
        result: Tensor = self.encoder((2 * images - 1).to(weights_dtype(self.encoder.head)))
        return result

    def render(self, features: Tensor, grid: Grid) -> Tensor:
        """See `AnyScaleUpscaler`."""
        first = self.imnet.layers[0]
        assert isinstance(first, nn.Linear)
        width = self.feature_channels
        kernel = first.weight[:, : 9 * width].reshape(-1, width, 3, 3)
        features = conv2d(features.to(first.weight.dtype), kernel, first.bias, padding=1)
        step = max(1, _PIXELS // len(grid.x))
        parts = [
            self._rows(features, grid.rows(start, start + step, grid.first_row))
            for start in range(0, len(grid.y), step)
        ]
        return (torch.cat(parts, -2).float() + 1) / 2

    def _rows(self, features: Tensor, grid: Grid) -> Tensor:
        total: Tensor | None = None
        areas: Tensor | None = None
        sides = [
            [_nearest(places, side, size) for side in (-1, 1)]
            for places, size in zip((grid.y, grid.x), grid.size_yx, strict=True)
        ]
        for down, right in itertools.product((0, 1), repeat=2):
            (row, off_y), (column, off_x) = sides[0][down], sides[1][right]
            opposite_y, opposite_x = sides[0][1 - down][1], sides[1][1 - right][1]
            area = ((opposite_y[:, None] * opposite_x[None]).abs() + _LEAST_AREA).to(features.device, torch.float32)
            seen = features[:, :, row.to(features.device) - grid.first_row][..., column.to(features.device)]
            answer = self._answer(seen, off_y, off_x, grid) * area
            total = answer if total is None else total + answer
            areas = area if areas is None else areas + area
        assert total is not None
        assert areas is not None
        return total / areas

    def _answer(self, seen: Tensor, off_y: Tensor, off_x: Tensor, grid: Grid) -> Tensor:
        """``(B, hidden, rows, columns)`` of the first layer → ``(B, 3, rows, columns)`` float32."""
        first, *rest = self.imnet.layers
        assert isinstance(first, nn.Linear)
        by_place = first.weight[:, -4:]
        positions = torch.stack(
            [
                off_y[:, None].expand(-1, len(off_x)),
                off_x[None].expand(len(off_y), -1),
                torch.full((len(off_y), len(off_x)), 2 * grid.cell_yx[0], dtype=off_y.dtype),
                torch.full((len(off_y), len(off_x)), 2 * grid.cell_yx[1], dtype=off_y.dtype),
            ],
            -1,
        ).to(seen.device, seen.dtype)
        hidden = seen.permute(0, 2, 3, 1) + linear(positions, by_place)
        for layer in rest[:-1]:
            hidden = relu(hidden) if isinstance(layer, nn.ReLU) else layer(hidden)
        result: Tensor = rest[-1](hidden)
        return result.permute(0, 3, 1, 2).float()


def _nearest(places: Tensor, side: int, size: int) -> tuple[Tensor, Tensor]:
    """The nearest small pixels half a pixel before or behind each place, and twice how far they are from it."""
    slack = _SHIFT * size / 2
    moved = (places + 0.5 * side + slack).clamp(-0.5 + slack, size - 0.5 - slack)
    found = moved.round().clamp(0, size - 1)
    return found.long(), 2 * (places - found)


def recognise_liif(shapes: Shapes) -> Found | None:
    """LIIF on EDSR's body of any width and depth."""
    width, hidden = shapes["encoder.head.0.weight"][0], shapes["imnet.layers.0.weight"][0]
    blocks = count(shapes, "encoder.body.", ".body.0.weight")
    depth = sum(name.startswith("imnet.layers.") and name.endswith(".weight") for name in shapes) - 1
    if shapes["imnet.layers.0.weight"][1] != 9 * width + 4 or not blocks:
        return None

    def build(scale: int) -> LIIF:
        return LIIF(scale, blocks=blocks, width=width, hidden=hidden, depth=depth)

    return Found("liif", (2, 3, 4), build)


SPECS = (
    network_spec(
        "liif",
        "Chen, Liu, Wang, CVPR 2021: LIIF on EDSR's baseline, any scale",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=LIIF,
        parameters=1_567_323,
        recognise=recognise_liif,
        family="any-scale",
    ),
)
"""As published; the whole scales are those of tables."""
