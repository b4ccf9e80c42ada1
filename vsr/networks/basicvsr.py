"""BasicVSR: features that are carried through a shot both ways, aligned by optical flow.

Chan, Wang, Yu, Dong, Loy, "BasicVSR: the search for essential components in video super-resolution and beyond", CVPR
2021. Post-upsampling, RGB, 0…1, bilinear residual. 6,291,311 parameters with its SPyNet (6.3M in the paper). Names as
in BasicSR. Published on Vid4 (luma, calendar and three more): 27.24 dB for bicubic shrinking, 27.96 for Gaussian.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_shuffle

from vsr.networks.base import Found, SequenceUpscaler, Shapes
from vsr.networks.blocks import PairBlock, count, weights_dtype
from vsr.networks.spec import network_spec
from vsr.networks.spynet import SPyNet, flow_warp

__all__ = ["SPECS", "BasicVSR", "recognise_basicvsr"]

_SLOPE = 0.1
_AT_END = 64  # channels of the last convolution but one


class _Trunk(nn.Module):
    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3 + width, width, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Sequential(*(PairBlock(width) for _ in range(blocks))),
        )

    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        result: Tensor = self.main(torch.cat([image.to(features.dtype), features], 1))
        return result


class BasicVSR(SequenceUpscaler):
    """``blocks`` residual blocks each way."""

    def __init__(self, scale: int, *, width: int = 64, blocks: int = 30) -> None:
        super().__init__()
        assert scale == 4, "its upsampling doubles twice"
        self.scale, self.context_px, self._width = scale, None, width
        self.spynet = SPyNet()
        self.backward_trunk, self.forward_trunk = _Trunk(width, blocks), _Trunk(width, blocks)
        self.fusion = nn.Conv2d(2 * width, width, 1)
        self.upconv1 = nn.Conv2d(width, 4 * width, 3, padding=1)
        self.upconv2 = nn.Conv2d(width, 4 * _AT_END, 3, padding=1)
        self.conv_hr = nn.Conv2d(_AT_END, _AT_END, 3, padding=1)
        self.conv_last = nn.Conv2d(_AT_END, 3, 3, padding=1)

    def forward(self, stacked: Tensor) -> Tensor:
        """``(B, 3·T, H, W)`` in 0…1 → ``(B, 3·T, 4·H, 4·W)``."""
        frames = torch.split(stacked, 3, 1)
        nothing = stacked.new_zeros((len(stacked), self._width, *stacked.shape[-2:]), dtype=weights_dtype(self))
        later, features = [nothing] * len(frames), nothing
        for number in reversed(range(len(frames))):
            if number + 1 < len(frames):
                features = flow_warp(features, self.spynet(frames[number], frames[number + 1]))
            features = later[number] = self.backward_trunk(frames[number], features)
        results, features = [], nothing
        for number, frame in enumerate(frames):
            if number:
                features = flow_warp(features, self.spynet(frame, frames[number - 1]))
            features = self.forward_trunk(frame, features)
            results.append(self._enlarge(frame, later[number], features))
            later[number] = nothing  # long shots: it is not held longer than needed
        return torch.cat(results, 1)

    def _enlarge(self, frame: Tensor, later: Tensor, earlier: Tensor) -> Tensor:
        features = leaky_relu(self.fusion(torch.cat([later, earlier], 1)), _SLOPE)
        features = leaky_relu(pixel_shuffle(self.upconv1(features), 2), _SLOPE)
        features = leaky_relu(pixel_shuffle(self.upconv2(features), 2), _SLOPE)
        detail: Tensor = self.conv_last(leaky_relu(self.conv_hr(features), _SLOPE))
        return detail.to(frame.dtype) + interpolate(frame, scale_factor=self.scale, mode="bilinear")


def recognise_basicvsr(shapes: Shapes) -> Found | None:
    """Of any width and number of blocks, as BasicSR names it."""
    width, blocks = shapes["fusion.weight"][0], count(shapes, "backward_trunk.main.2.", ".conv1.weight")
    if shapes["backward_trunk.main.0.weight"] != (width, 3 + width, 3, 3) or "spynet.mean" not in shapes:
        return None
    if shapes["upconv1.weight"] != (4 * width, width, 3, 3) or shapes["conv_last.weight"] != (3, _AT_END, 3, 3):
        return None
    return Found("basicvsr", (4,), lambda scale: BasicVSR(scale, width=width, blocks=blocks))


SPECS = (
    network_spec(
        "basicvsr",
        "Chan, Wang, Yu, Dong, Loy, CVPR 2021: BasicVSR, with its SPyNet",
        "post-upsampling",
        scales=(4,),
        colour="RGB",
        build=BasicVSR,
        parameters=6_291_311,
        recognise=recognise_basicvsr,
        family="sequence",
    ),
)
