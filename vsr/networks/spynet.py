"""SPyNet: optical flow from coarse to fine, one small network a level of a pyramid; and what flow is good for.

Ranjan, Black, "Optical flow estimation using a spatial pyramid network", CVPR 2017. RGB, 0…1. 1,440,060 parameters in
six levels. Names as in BasicSR and MMEditing, where networks for video hold one of their own. Flow is ``(B, 2, H, W)``
in pixels, column displacement first, as the authors have it.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from vsr.networks.blocks import weights_dtype

__all__ = ["SPyNet", "flow_warp"]

_LEVELS = 6
_WIDTHS = (8, 32, 64, 32, 16, 2)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


def flow_warp(images: Tensor, flow: Tensor, *, padding_mode: str = "zeros") -> Tensor:
    """``images`` ``(B, C, H, W)`` read bilinearly at each pixel's place plus ``flow`` ``(B, 2, H, W)``.

    In float32, whatever the types are: in half precision places far from the corner are a quarter of a pixel apart. The
    result has the type of ``images``. ``padding_mode`` is that of `torch.nn.functional.grid_sample`.
    """
    height, width = images.shape[-2:]
    flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device) + flow[:, 0]
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([2 * columns / max(width - 1, 1) - 1, 2 * rows / max(height - 1, 1) - 1], dim=-1)
    read = grid_sample(images.to(grid.dtype), grid, mode="bilinear", padding_mode=padding_mode, align_corners=True)
    return read.to(images.dtype)


class _Level(nn.Module):
    """Five 7×7 convolutions: both images and the flow so far to what is to be added to it."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(_WIDTHS):
            layers += [nn.Conv2d(inputs, outputs, 7, padding=3), nn.ReLU()]
        self.basic_module = nn.Sequential(*layers[:-1])

    def forward(self, stacked: Tensor) -> Tensor:
        result: Tensor = self.basic_module(stacked.to(weights_dtype(self))).to(stacked.dtype)
        return result


class SPyNet(nn.Module):
    """Flow from one image to another."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.basic_module = nn.ModuleList(_Level() for _ in range(_LEVELS))
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Where the content of each pixel of ``first`` is in ``second``, both ``(B, 3, H, W)``.

        Sides are brought to multiples of 32, to which the pyramid has whole pixels.
        """
        height, width = first.shape[-2:]
        multiple = 2 ** (_LEVELS - 1)
        tall, wide = (multiple * math.ceil(side / multiple) for side in (height, width))
        pyramids = [self._pyramid(interpolate(p, (tall, wide), mode="bilinear")) for p in (first, second)]
        flow = first.new_zeros((len(first), 2, *pyramids[0][0].shape[-2:]))
        for level, one, other in zip(self.basic_module, *pyramids, strict=True):
            if one.shape[-2:] != flow.shape[-2:]:
                flow = 2 * interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
            flow = flow + level(torch.cat([one, flow_warp(other, flow, padding_mode="border"), flow], 1))
        flow = interpolate(flow, (height, width), mode="bilinear")
        return flow * flow.new_tensor([width / wide, height / tall]).view(1, 2, 1, 1)

    def _pyramid(self, images: Tensor) -> list[Tensor]:
        """From the smallest to the largest."""
        levels = [(images - self.mean.to(images.dtype)) / self.std.to(images.dtype)]
        for _ in range(_LEVELS - 1):
            levels.insert(0, avg_pool2d(levels[0], 2))
        return levels
