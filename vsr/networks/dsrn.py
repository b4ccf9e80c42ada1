"""DSRN: two recurrent states, one at each size, that tell each other what they found.

Han, Chang, Liu, Yu, Witbrock, Huang, "Image super-resolution via dual-state recurrent networks", CVPR 2018.
Iterative, Y, 0…1, with a global residual on the bicubic enlargement. Seven steps with shared weights; residual blocks
of 128 channels at each size, a deconvolution up and a strided layer down between them; the result is the mean of what
all steps give. Built from the paper's text; names and the sizes of the layers between sizes are ours, no weights are
to be had. Figures on Set5: 37.66 / 33.88 / 31.40 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import ResidualBlock, enlarge
from vsr.networks.dbpn import PROJECTION
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["DSRN", "SPECS", "recognise_dsrn"]

_STEPS = 7


class DSRN(Upscaler):
    """Entry, ``_STEPS`` rounds of both states, exit after each."""

    def __init__(self, scale: int, *, width: int = 128) -> None:
        super().__init__()
        self.scale = scale
        shape = PROJECTION[scale]
        self.context_px = _context(scale)
        self.entry = nn.Conv2d(1, width, 3, padding=1)
        self.small, self.large = ResidualBlock(width), ResidualBlock(width)
        self.up = nn.ConvTranspose2d(width, width, *shape)
        self.down = nn.Conv2d(width, width, *shape)
        self.exit = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        small = relu(self.entry(images.to(self.entry.weight.dtype)))
        large = relu(self.up(small))
        results = []
        for _ in range(_STEPS):
            small = relu(self.small(small) + self.down(large))
            large = relu(self.large(large) + self.up(small))
            results.append(self.exit(large))
        residual = torch.stack(results).mean(0)
        return enlarge(images, self.scale) + residual.to(images.dtype)


def _context(scale: int) -> int:
    shape = PROJECTION[scale]
    small = INPUT.conv(3)
    large = small.deconv(*shape)
    for _ in range(_STEPS):
        small = small.conv(3, times=2).join(large.strided(*shape))
        large = large.conv(3, times=2).join(small.deconv(*shape))
    return large.conv(3).join(INPUT.enlarged(scale, 2)).context_px


def recognise_dsrn(shapes: Shapes) -> Found | None:
    """DSRN of any width."""
    width, kernel = shapes["down.weight"][1:3]
    if shapes["large.body.0.weight"] != shapes["small.body.0.weight"] or shapes["entry.weight"][1] != 1:
        return None
    scale = {kernel: scale for scale, (kernel, _, _) in PROJECTION.items()}[kernel]
    return Found("dsrn", (scale,), lambda scale: DSRN(scale, width=width))


SPECS = (
    network_spec(
        "dsrn",
        "Han et al., CVPR 2018: DSRN, 7 steps",
        "iterative",
        scales=(2, 4),
        colour="Y",
        build=DSRN,
        parameters=(1_772_673, 2_690_177),
        recognise=recognise_dsrn,
    ),
)
"""As its text describes it."""
