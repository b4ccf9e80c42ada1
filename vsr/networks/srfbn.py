"""SRFBN: what it found is fed back to its start, four times over.

Li, Yang, Liu, Yang, Jeon, Wu, "Feedback network for image super-resolution", CVPR 2019. Iterative with a global
residual, RGB, 0…255 less the mean of DIV2K. Names as in the authors' PyTorch code. 64 features, 6 groups, 4 steps:
2,140K (×2), 2,832K (×3), 3,631K (×4); SRFBN-S, 32 features and 3 groups: 483K (×4). Figures on Set5: 38.11 / 34.70 /
32.47 dB.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import MeanShift, count, weights_dtype
from vsr.networks.dbpn import PROJECTION
from vsr.networks.footprint import INPUT, Footprint
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "SRFBN", "recognise_srfbn", "srfbn_small"]

_STEPS = 4


def _conv(inputs: int, outputs: int, size: int = 1, stride: int = 1, padding: int = 0) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, padding), nn.PReLU(init=0.2))


def _deconv(width: int, size: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(width, width, size, stride, padding), nn.PReLU(init=0.2))


class _Feedback(nn.Module):
    """``groups`` times up and down, densely joined at both sizes."""

    def __init__(self, width: int, groups: int, scale: int) -> None:
        super().__init__()
        shape = PROJECTION[scale]
        self.compress_in = _conv(2 * width, width)
        self.upBlocks = nn.ModuleList(_deconv(width, *shape) for _ in range(groups))
        self.downBlocks = nn.ModuleList(_conv(width, width, *shape) for _ in range(groups))
        self.uptranBlocks = nn.ModuleList(_conv(width * (index + 1), width) for index in range(1, groups))
        self.downtranBlocks = nn.ModuleList(_conv(width * (index + 1), width) for index in range(1, groups))
        self.compress_out = _conv(groups * width, width)

    def forward(self, features: Tensor, hidden: Tensor) -> Tensor:
        """``(B, width, H, W)``, twice → the next hidden state, the same."""
        lows: list[Any] = [self.compress_in(torch.cat((features, hidden), 1))]
        highs: list[Tensor] = []
        for index, (up, down) in enumerate(zip(self.upBlocks, self.downBlocks, strict=True)):
            low = torch.cat(lows, 1)
            highs.append(up(self.uptranBlocks[index - 1](low) if index else low))
            high = torch.cat(highs, 1)
            lows.append(down(self.downtranBlocks[index - 1](high) if index else high))
        result: Tensor = self.compress_out(torch.cat(lows[1:], 1))
        return result


class SRFBN(Upscaler):
    """Features, ``_STEPS`` rounds of feedback, reconstruction after the last; added to the bilinear enlargement."""

    def __init__(self, scale: int, *, width: int = 64, groups: int = 6) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = _context(scale, groups)
        self.sub_mean = MeanShift(-1, 255.0)
        self.conv_in = _conv(3, 4 * width, 3, 1, 1)
        self.feat_in = _conv(4 * width, width)
        self.block = _Feedback(width, groups, scale)
        self.out = _deconv(width, *PROJECTION[scale])
        self.conv_out = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1))
        self.add_mean = MeanShift(1, 255.0)
        self._value_range = 255.0

    def finish_loading(self) -> None:
        """Files of other programs may be for 0…1; their mean shifts tell."""
        self._value_range = self.add_mean.value_range

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``: the result of the last step."""
        return self._results(images, of_all=False)[-1]

    def all_outputs(self, images: Tensor) -> list[Tensor]:
        """The result of each step of feedback."""
        return self._results(images, of_all=True)

    def _results(self, images: Tensor, *, of_all: bool) -> list[Tensor]:
        shifted: Tensor = self.sub_mean(images * self._value_range)
        base = functional.interpolate(shifted, scale_factor=float(self.scale), mode="bilinear", align_corners=False)
        features = self.feat_in(self.conv_in(shifted.to(weights_dtype(self.conv_in))))
        hidden, results = features, []
        for step in range(_STEPS):
            hidden = self.block(features, hidden)
            if of_all or step == _STEPS - 1:
                residual: Tensor = self.conv_out(self.out(hidden))
                restored: Tensor = self.add_mean(base + residual.to(images.dtype))
                results.append(restored / self._value_range)
        return results


def srfbn_small(scale: int) -> SRFBN:
    """SRFBN-S."""
    return SRFBN(scale, width=32, groups=3)


def _context(scale: int, groups: int) -> int:
    shape = PROJECTION[scale]
    features = INPUT.conv(3)
    hidden: Footprint = features
    for _ in range(_STEPS):
        low = features.join(hidden)
        for _ in range(groups):
            low = low.deconv(*shape).strided(*shape).join(low)
        hidden = low
    return hidden.deconv(*shape).conv(3).join(INPUT.enlarged(scale, 1)).context_px


def recognise_srfbn(shapes: Shapes) -> Found | None:
    """SRFBN of any width and number of groups; its four steps cannot be read off the weights."""
    width = shapes["feat_in.0.weight"][0]
    groups = count(shapes, "block.upBlocks.", ".0.weight")
    by_kernel = {kernel: scale for scale, (kernel, _, _) in PROJECTION.items()}
    scale = by_kernel[shapes["out.0.weight"][2]]
    if shapes["conv_in.0.weight"] != (4 * width, 3, 3, 3) or groups == 0:
        return None
    name = "srfbn" if width >= 64 else "srfbn-s"
    return Found(name, (scale,), lambda scale: SRFBN(scale, width=width, groups=groups))


SPECS = (
    network_spec(
        "srfbn-s",
        "Li et al., CVPR 2019: SRFBN-S",
        "iterative",
        scales=(2, 3, 4),
        colour="RGB",
        build=srfbn_small,
        parameters=(282_442, 375_626, 483_146),
        recognise=recognise_srfbn,
        value_range=255,
    ),
    network_spec(
        "srfbn",
        "Li et al., CVPR 2019: SRFBN",
        "iterative",
        scales=(2, 3, 4),
        colour="RGB",
        build=SRFBN,
        parameters=(2_140_534, 2_832_758, 3_631_478),
        recognise=recognise_srfbn,
        value_range=255,
    ),
)
"""As published."""
