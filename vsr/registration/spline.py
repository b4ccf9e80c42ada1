"""Reading images between pixels so that the reading blurs alike everywhere.

An interpolating kernel passes more detail on a pixel than between pixels, and a fit of motion takes that difference
for motion: torch's bicubic kernel (a = −0.75) puts it off by 0.03 pixels. A cubic B-spline over the samples smooths,
but by nearly the same amount at every place: 0.003 pixels. So both images of a comparison are read through it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.kernels import kernel

__all__ = ["read_spline", "smooth_spline"]


def _pairs(position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The four taps of an axis as two linear readings: their places, and the second one's share."""
    first = position.floor()
    t = position - first
    square = t * t
    cube = t * square
    w1 = (3 * cube - 6 * square + 4) / 6
    w3 = cube / 6
    share = (3 * (t + square) - 2 * cube + 1) / 6
    return first - 1 + w1 / (1 - share), first + 1 + w3 / share, share


@kernel("vsr.kernels.reading")
def read_spline(images: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """``(C, H, W)`` images at ``(h, w)`` positions in pixel indices, ``(C, h, w)``; float, same device.

    Weights are those of the cubic B-spline (Unser 1999) on the samples themselves: smoothing, not interpolating. Each
    of the four linear readings does the work of four taps (Sigg & Hadwiger 2005). The border is repeated.
    """
    places = torch.stack([rows, cols])
    size_yx = torch.tensor(images.shape[-2:], device=places.device, dtype=places.dtype)[:, None, None]
    first, second, (share_y, share_x) = _pairs(places)
    (top, left), (bottom, right) = ((2 * one + 1) / size_yx - 1 for one in (first, second))
    grid = torch.stack([left, right, left, right, top, top, bottom, bottom]).view(2, -1, rows.shape[-1])
    taps = torch.nn.functional.grid_sample(
        images[None], grid.permute(1, 2, 0)[None], mode="bilinear", padding_mode="border", align_corners=False
    )[0].reshape(images.shape[0], 2, 2, *rows.shape)
    upper, lower = torch.lerp(taps[:, :, 0], taps[:, :, 1], share_x).unbind(1)
    return torch.lerp(upper, lower, share_y)


def smooth_spline(images: Tensor) -> Tensor:
    """What `read_spline` gives at the pixel centres of ``(C, H, W)``: weights 1/6, 2/3, 1/6 along each axis."""
    padded = torch.nn.functional.pad(images[None], (1, 1, 1, 1), mode="replicate")[0]
    padded = (padded[..., :-2] + padded[..., 2:] + 4 * padded[..., 1:-1]) / 6
    return (padded[:, :-2] + padded[:, 2:] + 4 * padded[:, 1:-1]) / 6
