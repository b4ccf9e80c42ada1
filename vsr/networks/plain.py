"""A plain body of convolutions in four kinds, to compare cheap convolutions with: ordinary, dilated, depthwise,
grouped.

Post-upsampling with a global residual on the bicubic enlargement, Y, 0…1. ``dilated`` spreads its layers 1, 2, 3, 4,
3, 2, 1, … pixels (Zhang, Zuo, Gu, Zhang, "Learning deep CNN denoiser prior for image restoration", CVPR 2017);
``depthwise`` splits each layer into one kernel a channel and a 1×1 layer (Nie et al., 2018, after MobileNet);
``grouped`` has four groups and a 1×1 layer that mixes them (as CARN-M). Names are ours; there are no published
weights.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, relu

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "Kind", "Plain", "recognise_plain"]

Kind = Literal["ordinary", "dilated", "depthwise", "grouped"]

_DILATIONS = (1, 2, 3, 4, 3, 2)
_GROUPS = 4


def _dilation(kind: Kind, number: int) -> int:
    return _DILATIONS[number % len(_DILATIONS)] if kind == "dilated" else 1


class _Layer(nn.Module):
    """A 3×3 layer of one of the kinds, rectified."""

    def __init__(self, width: int, kind: Kind, dilation: int) -> None:
        super().__init__()
        groups = {"depthwise": width, "grouped": _GROUPS}.get(kind, 1)
        self.conv = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, groups=groups)
        self.mix = nn.Conv2d(width, width, 1) if groups > 1 else None

    def forward(self, features: Tensor) -> Tensor:
        found = self.conv(features)
        return relu(found if self.mix is None else self.mix(found))


class Plain(Upscaler):
    """Entry, ``depth`` layers of one kind, a sub-pixel exit."""

    def __init__(self, scale: int, *, kind: Kind = "ordinary", width: int = 64, depth: int = 7) -> None:
        super().__init__()
        self.scale = scale
        footprint = INPUT.conv(3)
        for number in range(depth):
            footprint = footprint.conv(3, dilation=_dilation(kind, number))
        self.context_px = footprint.conv(3).shuffle(scale).join(INPUT.enlarged(scale, 2)).context_px
        self.plain_entry = nn.Conv2d(1, width, 3, padding=1)
        self.layers = nn.ModuleList(_Layer(width, kind, _dilation(kind, number)) for number in range(depth))
        self.plain_exit = nn.Conv2d(width, scale * scale, 3, padding=1)
        if kind == "dilated":
            self.register_buffer("dilations", torch.tensor([_dilation(kind, number) for number in range(depth)]))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        features = relu(self.plain_entry(images.to(self.plain_entry.weight.dtype)))
        for layer in self.layers:
            features = layer(features)
        residual = pixel_shuffle(self.plain_exit(features), self.scale)
        return enlarge(images, self.scale) + residual.to(images.dtype)


def recognise_plain(shapes: Shapes) -> Found | None:
    """Any kind, width and depth; a buffer tells a dilated one from an ordinary one."""
    width, scale = shapes["plain_entry.weight"][0], round(shapes["plain_exit.weight"][0] ** 0.5)
    depth, inputs = count(shapes, "layers.", ".conv.weight"), shapes["layers.0.conv.weight"][1]
    kinds: dict[int, Kind] = {width // _GROUPS: "grouped", 1: "depthwise", width: "ordinary"}
    kind: Kind = "dilated" if "dilations" in shapes else kinds[inputs]
    name = "plain" if kind == "ordinary" else f"plain-{kind}"
    return Found(name, (scale,), lambda scale: Plain(scale, kind=kind, width=width, depth=depth))


_KINDS: dict[Kind, tuple[str, tuple[int, int, int]]] = {
    "ordinary": ("a plain body of 9 layers, as of 2016, to compare with", (261_444, 264_329, 268_368)),
    "dilated": ("a plain body of 9 layers, dilated as Zhang, Zuo, Gu, Zhang, CVPR 2017", (261_444, 264_329, 268_368)),
    "depthwise": ("a plain body of 9 layers, depthwise as Nie et al., 2018", (36_548, 39_433, 43_472)),
    "grouped": ("a plain body of 9 layers in groups, as Ahn, Kang, Sohn, ECCV 2018", (97_028, 99_913, 103_952)),
}

SPECS = tuple(
    network_spec(
        "plain" if kind == "ordinary" else f"plain-{kind}",
        title,
        "post-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=partial(Plain, kind=kind),
        parameters=parameters,
        recognise=recognise_plain,
    )
    for kind, (title, parameters) in _KINDS.items()
)
"""The four kinds."""
