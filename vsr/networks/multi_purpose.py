"""The multi-purpose CNN: super-resolution and inverse tone mapping at once.

Kim, Kim, "A multi-purpose convolutional neural network for simultaneous super-resolution and high dynamic range image
reconstruction", ACCV 2018. Post-upsampling. Three 3×3 layers of 40 for each of both tasks, then four of 64 on all of
their features, added to bicubic interpolation; Y, Cb and Cr inside. Two more branches, for one task alone, are in the
file and not run here: `vsr.networks.inverse_tone` has that for HDR. Parameters 250,099 at ×2, 283,867 at ×4, those
branches included; of what is run 145,868 and 166,640. Names and axes (height, width, inputs, outputs) as MatConvNet's.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import Found, Shapes
from vsr.networks.blocks import enlarge, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.inverse_tone import InverseToneUpscaler
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "MultiPurpose", "recognise_multi_purpose"]

_COLOURS, _NARROW, _WIDE = 3, 40, 64
_DEPTH, _SHARED = 6, 3  # layers of a branch for one task, and those of them that the joint branch begins with


class MultiPurpose(InverseToneUpscaler):
    """See the module."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.conv(3, times=7).shuffle(scale).context_px
        pixels = _COLOURS * scale * scale
        for task, last in (("_SR", pixels), ("_HDR", _COLOURS)):
            widths = [_COLOURS, *[_NARROW] * (_DEPTH - 1), last]
            for number, (before, after) in enumerate(pairwise(widths), 1):
                self._add(number, task, before, after)
        widths = [2 * _NARROW, _WIDE, _WIDE, _WIDE, pixels]
        for number, (before, after) in enumerate(pairwise(widths), _SHARED + 1):
            self._add(number, "", before, after)

    def _add(self, number: int, task: str, before: int, after: int) -> None:
        weight = torch.empty(3, 3, before, after)
        nn.init.normal_(weight, std=(2 / (9 * before)) ** 0.5)
        self.register_parameter(f"conv_{number}f{task}", nn.Parameter(weight))
        self.register_parameter(f"conv_{number}b{task}", nn.Parameter(torch.zeros(after, 1)))

    def _layer(self, features: Tensor, number: int, task: str) -> Tensor:
        weight, bias = self.get_parameter(f"conv_{number}f{task}"), self.get_parameter(f"conv_{number}b{task}")
        return functional.conv2d(features, weight.permute(3, 2, 0, 1), bias.flatten(), padding=1)

    def in_codes(self, codes: Tensor) -> Tensor:
        """See `InverseToneUpscaler`."""
        branches, given = [], codes.to(weights_dtype(self))
        for task in ("_SR", "_HDR"):
            features = given
            for number in range(1, _SHARED + 1):
                features = self._layer(features, number, task).relu()
            branches.append(features)
        features = torch.cat(branches, 1)
        for number in range(_SHARED + 1, 7):
            features = self._layer(features, number, "").relu()
        detail = functional.pixel_shuffle(self._layer(features, 7, ""), self.scale)
        return enlarge(codes, self.scale) + detail.to(codes.dtype)


def recognise_multi_purpose(shapes: Shapes) -> Found | None:
    """The authors' two files."""
    last = shapes["conv_7f"]
    scale = round((last[-1] / _COLOURS) ** 0.5)
    if last != (3, 3, _WIDE, _COLOURS * scale * scale) or shapes["conv_4f"] != (3, 3, 2 * _NARROW, _WIDE):
        return None
    return Found("multi-purpose", (scale,), MultiPurpose)


SPECS = (
    network_spec(
        "multi-purpose",
        "Kim, Kim, ACCV 2018: multi-purpose CNN, SDR to HDR",
        "post-upsampling",
        scales=(2, 4),
        colour="RGB",
        build=MultiPurpose,
        parameters=(250_099, 283_867),
        recognise=recognise_multi_purpose,
        family="inverse-tone",
        is_generative=True,
    ),
)
