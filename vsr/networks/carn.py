"""CARN and CARN-M: residual blocks whose results are all passed on ("cascading"); CARN-M shares and groups them.

Ahn, Kang, Sohn, "Fast, accurate, and lightweight super-resolution with cascading residual network", ECCV 2018.
Post-upsampling, RGB, 0…1 less the mean of DIV2K. Names as in the authors' PyTorch code; a file holds ×2, ×3 and ×4,
or one scale. CARN has 1,592K, CARN-M 412,050 parameters in the paper. Figures on Set5: CARN 37.76 / 34.29 / 32.13,
CARN-M 37.53 / 33.99 / 31.92 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import MeanShift, shuffle_footprint, shuffle_upsampler, upsampler_scale
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["CARN", "SPECS", "carn", "carn_m", "recognise_carn"]


class _Shift(nn.Module):
    def __init__(self, sign: int) -> None:
        super().__init__()
        self.shifter = MeanShift(1 if sign > 0 else -1, 1.0)

    def forward(self, images: Tensor) -> Tensor:
        shifted: Tensor = self.shifter(images)
        return shifted


class _Basic(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True))

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.body(features)
        return result


class _Residual(nn.Module):
    def __init__(self, width: int, groups: int, efficient: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(width, width, 3, padding=1, groups=groups),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, groups=groups),
        ]
        if efficient:
            layers += [nn.ReLU(inplace=True), nn.Conv2d(width, width, 1)]
        self.body = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.body(features) + features)


class _Cascade(nn.Module):
    """Three units and, after each, a 1×1 layer over everything so far."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c1 = _Basic(2 * width, width)
        self.c2 = _Basic(3 * width, width)
        self.c3 = _Basic(4 * width, width)

    def _cascade(self, features: Tensor, units: list[nn.Module]) -> Tensor:
        seen = features
        for unit, join in zip(units, (self.c1, self.c2, self.c3), strict=True):
            seen = torch.cat((seen, unit(features)), 1)
            features = join(seen)
        return features


class _Block(_Cascade):
    def __init__(self, width: int, groups: int, shared: bool) -> None:
        super().__init__(width)
        self.b1 = _Residual(width, groups, shared)
        if not shared:
            self.b2 = _Residual(width, groups, shared)
            self.b3 = _Residual(width, groups, shared)
        self._shared = shared

    def forward(self, features: Tensor) -> Tensor:
        units: list[nn.Module] = [self.b1] * 3 if self._shared else [self.b1, self.b2, self.b3]
        return self._cascade(features, units)


class _Step(nn.Module):
    def __init__(self, width: int, scale: int, groups: int) -> None:
        super().__init__()
        self.body = shuffle_upsampler(width, scale, groups=groups, with_relu=True)

    def forward(self, features: Tensor) -> Tensor:
        enlarged: Tensor = self.body(features)
        return enlarged


class CARN(_Cascade, Upscaler):
    """Entry, three cascading blocks, upsampling for one scale or for several, exit.

    ``shared``: CARN-M's blocks use one residual unit three times. ``scales`` None: a file for ``scale`` alone, which
    has other names.
    """

    def __init__(
        self,
        scale: int,
        *,
        width: int = 64,
        groups: int = 1,
        up_groups: int = 1,
        shared: bool = False,
        scales: tuple[int, ...] | None = (2, 3, 4),
    ) -> None:
        super().__init__(width)
        self.scale = scale
        footprint = INPUT.conv(3).conv(3, times=18)
        self.context_px = shuffle_footprint(footprint, scale).conv(3).context_px
        self.sub_mean, self.add_mean = _Shift(-1), _Shift(1)
        self.entry = nn.Conv2d(3, width, 3, padding=1)
        self.b1, self.b2, self.b3 = (_Block(width, groups, shared) for _ in range(3))
        names = {"up": scale} if scales is None else {f"up{each}": each for each in scales}
        self.upsample = nn.ModuleDict({name: _Step(width, each, up_groups) for name, each in names.items()})
        self._which = "up" if scales is None else f"up{scale}"
        self.exit = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        shifted: Tensor = self.sub_mean(images)
        features = self._cascade(self.entry(shifted.to(self.entry.weight.dtype)), [self.b1, self.b2, self.b3])
        result: Tensor = self.exit(self.upsample[self._which](features))
        restored: Tensor = self.add_mean(result.to(images.dtype))
        return restored


def carn(scale: int) -> CARN:
    """CARN."""
    return CARN(scale)


def carn_m(scale: int) -> CARN:
    """CARN-M: four groups, one residual unit a block."""
    return CARN(scale, groups=4, up_groups=4, shared=True)


def recognise_carn(shapes: Shapes) -> Found | None:
    """CARN or CARN-M of any width and grouping, for one scale or several."""
    width = shapes["entry.weight"][0]
    unit = shapes["b1.b1.body.0.weight"]
    if shapes["entry.weight"][1:] != (3, 3, 3) or "b1.c3.body.0.weight" not in shapes:
        return None
    scales = tuple(scale for scale in (2, 3, 4, 8) if f"upsample.up{scale}.body.0.weight" in shapes) or None
    held = scales or (upsampler_scale(shapes, "upsample.up.", width),)
    up_name = f"upsample.up{scales[0] if scales else ''}.body.0.weight"
    shared, groups, up_groups = "b1.b2.body.0.weight" not in shapes, width // unit[1], width // shapes[up_name][1]
    return Found(
        "carn-m" if shared else "carn",
        held,
        lambda scale: CARN(scale, width=width, groups=groups, up_groups=up_groups, shared=shared, scales=scales),
    )


SPECS = (
    network_spec(
        "carn",
        "Ahn, Kang, Sohn, ECCV 2018: CARN",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=carn,
        parameters=1_591_963,
        recognise=recognise_carn,
    ),
    network_spec(
        "carn-m",
        "Ahn, Kang, Sohn, ECCV 2018: CARN-M",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=carn_m,
        parameters=414_811,
        recognise=recognise_carn,
    ),
)
"""As published."""
