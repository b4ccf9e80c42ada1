"""VSRnet: five frames, enlarged and moved onto the middle one, each with a first layer of its own.

Kappeler, Yoo, Dai, Katsaggelos, "Video super-resolution with convolutional neural networks", IEEE Transactions on
Computational Imaging 2016, architecture (b), the sides' first layers mirrored in time. Pre-upsampling, Y, 0…1. 283,073
parameters; the authors' Caffe nets, which load as they are, hold 290 more: ``conv_gt`` crops the ground truth while
they are trained. The paper moves frames by CLG-TV flow, vsr by its own registration, both at the enlarged size (at the
small size 0.3 dB are lost). Its adaptive compensation, by which pixels that differ from the middle frame's count less,
lowers the PSNR here (by 0.1 dB) and is left out: registration sees to pixels at rest. The border is repeated: there is
no residual that would hide zeros around it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle

from vsr.networks.base import Found, Shapes, WindowUpscaler
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "VSRnet", "recognise_vsrnet"]

_PLACES = ("tm2", "tm1", "t", "tp1", "tp2")
_WIDTHS = (64, 32)
_REACH_PX = 8  # of the three layers together


class VSRnet(WindowUpscaler):
    """9×9 convolutions of each frame, then 5×5 of all, then 5×5 to the result."""

    is_aligned: ClassVar[bool] = True

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.shuffle(scale).conv(9).conv(5, times=2).context_px
        self.radius_frames, self.in_channels = len(_PLACES) // 2, len(_PLACES) * scale**2
        first, second = _WIDTHS
        for place in _PLACES:
            self.add_module(f"conv1_{place}", nn.Conv2d(1, first, 9))
        self.conv2 = nn.Conv2d(len(_PLACES) * first, second, 5)
        self.conv3 = nn.Conv2d(second, 1, 5)
        self.conv_gt = nn.Conv2d(1, 1, 17)

    def forward(self, frames: Tensor) -> Tensor:
        """``(B, 5·scale², H, W)`` in 0…1, as `WindowUpscaler` lays them → ``(B, 1, scale·H, scale·W)``."""
        large = pad(pixel_shuffle(frames, self.scale), [_REACH_PX] * 4, mode="replicate").to(self.conv2.weight.dtype)
        parts = zip(_PLACES, torch.split(large, 1, 1), strict=True)
        seen = [self.get_submodule(f"conv1_{place}")(one) for place, one in parts]
        result: Tensor = self.conv3(self.conv2(torch.cat(seen, 1).relu()).relu())
        return result.to(frames.dtype)


def recognise_vsrnet(shapes: Shapes) -> Found | None:
    """The authors' net; its weights have the same shapes at every scale."""
    if shapes["conv1_tm2.weight"] != (_WIDTHS[0], 1, 9, 9) or "conv_gt.weight" not in shapes:
        return None
    return Found("vsrnet", (), VSRnet)


SPECS = (
    network_spec(
        "vsrnet",
        "Kappeler, Yoo, Dai, Katsaggelos, IEEE TCI 2016: VSRnet, five frames moved onto the middle one",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=VSRnet,
        parameters=283_363,
        recognise=recognise_vsrnet,
        family="window",
    ),
)
"""As published, with what crops the ground truth."""
