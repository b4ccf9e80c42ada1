"""MSRN: each block looks at two scales of its neighbourhood, and the end at what all blocks found.

Li, Fang, Mei, Zhang, "Multi-scale residual network for image super-resolution", ECCV 2018. Post-upsampling, RGB,
0…255 less the mean of DIV2K. Eight blocks with 3×3 and 5×5 layers that exchange what they found; 5.89M (×2), 6.08M
(×3), 6.34M (×4). Names as in the authors' PyTorch code; no weights are to be had. Figures on Set5: 38.08 / 34.38 /
32.07 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from vsr.networks.base import Found, Shapes
from vsr.networks.blocks import ShiftedUpscaler, count
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["MSRN", "SPECS", "recognise_msrn"]


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_3_1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_3_2 = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.conv_5_1 = nn.Conv2d(width, width, 5, padding=2)
        self.conv_5_2 = nn.Conv2d(2 * width, 2 * width, 5, padding=2)
        self.confusion = nn.Conv2d(4 * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        first = torch.cat((relu(self.conv_3_1(features)), relu(self.conv_5_1(features))), 1)
        second = torch.cat((relu(self.conv_3_2(first)), relu(self.conv_5_2(first))), 1)
        result: Tensor = self.confusion(second)
        return result + features


class MSRN(ShiftedUpscaler):
    """Head, ``blocks``, fusion of all of them, upsampling at once, exit."""

    def __init__(self, scale: int, *, blocks: int = 8, width: int = 64) -> None:
        super().__init__(scale)
        self.context_px = INPUT.conv(3).conv(5, times=2 * blocks).conv(3).shuffle(scale).conv(3).context_px
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, padding=1))
        self.body = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        self.tail = nn.Sequential(
            nn.Conv2d(width * (blocks + 1), width, 1),
            nn.Conv2d(width, width * scale * scale, 3, padding=1),
            nn.PixelShuffle(scale),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def enlarged(self, shifted: Tensor) -> Tensor:
        """See `ShiftedUpscaler`."""
        found = [self.head(shifted)]
        for block in self.body:
            found.append(block(found[-1]))
        result: Tensor = self.tail(torch.cat(found, 1))
        return result


def recognise_msrn(shapes: Shapes) -> Found | None:
    """MSRN of any width and number of blocks."""
    blocks, width = count(shapes, "body.", ".confusion.weight"), shapes["head.0.weight"][0]
    scale = round((shapes["tail.1.weight"][0] / width) ** 0.5)
    return Found("msrn", (scale,), lambda scale: MSRN(scale, blocks=blocks, width=width)) if blocks else None


SPECS = (
    network_spec(
        "msrn",
        "Li, Fang, Mei, Zhang, ECCV 2018: MSRN, 8 blocks",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=MSRN,
        parameters=(5_893_403, 6_078_043, 6_336_539),
        recognise=recognise_msrn,
        value_range=255,
    ),
)
"""As published."""
