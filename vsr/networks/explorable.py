"""Explorable super-resolution: whatever the noise, the result looks the same small, by a layer that makes it so.

Bahat, Michaeli, "Explorable super resolution", CVPR 2020. Post-upsampling, RGB, 0…1. Any network on the small image and
a control signal makes an image; the consistency layer then projects it onto all images whose bicubic reduction is
the small one: x + Rᵀ(RRᵀ)⁻¹(y − Rx). R works along rows, then along columns, and so does its pseudo-inverse,
so the layer is exact, two small matrices a side, and has no weights. Within it are residual blocks as of EDSR, whose
widths and names are our own (the authors' is ESRGAN's generator); no weights are published.

The projection is ahead of clipping and of rounding to 8 bits, which cost some of the agreement: about 58 dB are left.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, SamplingUpscaler, Shapes
from vsr.networks.blocks import ResidualBlock, count, enlarge, shuffle_upsampler, upsampler_scale, weights_dtype
from vsr.networks.spec import network_spec
from vsr.observation.resample import axis_taps

__all__ = ["SPECS", "Explorable", "make_consistent", "recognise_explorable"]

_COLOURS = 3


@lru_cache(maxsize=32)
def _axis(large: int, small: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Bicubic reduction along one axis, ``(small, large)``, and its pseudo-inverse, ``(large, small)``."""
    indices, weights = axis_taps(large, small, "bicubic", small / large, 0.0)
    reduction = torch.zeros(small, large, dtype=torch.float64)
    for index, weight in zip(indices, weights, strict=True):
        reduction[torch.arange(small), index] += weight
    inverse = torch.linalg.solve(reduction @ reduction.T, reduction).T.contiguous()
    return reduction.to(device, dtype), inverse.to(device, dtype)


def make_consistent(images: Tensor, small: Tensor) -> Tensor:
    """The nearest to ``images`` ``(B, C, H, W)`` whose bicubic reduction is ``small`` ``(B, C, h, w)``.

    Exact but for rounding; differentiable.
    """
    rows, rows_back = _axis(images.shape[-2], small.shape[-2], images.device, images.dtype)
    columns, columns_back = _axis(images.shape[-1], small.shape[-1], images.device, images.dtype)
    missing = small - rows @ images @ columns.T
    return images + rows_back @ missing @ columns_back.T


class Explorable(SamplingUpscaler):
    """Residual blocks on the small image and a control signal of ``controls`` channels, and the consistency layer."""

    def __init__(self, scale: int, *, width: int = 64, blocks: int = 16, controls: int = 3) -> None:
        super().__init__()
        self.scale, self.context_px, self.noise_channels = scale, None, controls
        self.in_channels = _COLOURS + controls
        self.control = nn.Conv2d(self.in_channels, width, 3, padding=1)
        self.trunk = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.upsampler = shuffle_upsampler(width, scale)
        self.last = nn.Conv2d(width, _COLOURS, 3, padding=1)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 3 + controls, H, W)``, the small image in 0…1 and noise, → ``(B, 3, scale·H, scale·W)``."""
        small = given[:, :_COLOURS]
        inside = self.trunk(self.control(given.to(weights_dtype(self))))
        residual: Tensor = self.last(self.upsampler(inside))
        return make_consistent(enlarge(small, self.scale) + residual.to(given.dtype), small)


def recognise_explorable(shapes: Shapes) -> Found | None:
    """Of any width, number of blocks and channels of the control signal."""
    if "control.weight" not in shapes:
        return None
    width, inputs = shapes["control.weight"][:2]
    blocks = count(shapes, "trunk.", ".body.0.weight")
    scale = upsampler_scale(shapes, "upsampler.", width)

    def build(scale: int) -> Explorable:
        return Explorable(scale, width=width, blocks=blocks, controls=inputs - _COLOURS)

    return Found("explorable", (scale,), build)


SPECS = (
    network_spec(
        "explorable",
        "Bahat, Michaeli, CVPR 2020: explorable super-resolution, a consistency layer behind layers of our own",
        "post-upsampling",
        scales=(2, 4),
        colour="RGB",
        build=Explorable,
        parameters=(1_334_659, 1_482_371),
        recognise=recognise_explorable,
        is_generative=True,
        family="sampling",
    ),
)
"""The layer as published; its network is smaller."""
