"""A small network trained on the frames of one shot: how they are made smaller still tells how they are made larger.

Shocher, Cohen, Irani, "'Zero-shot' super-resolution using deep internal learning", CVPR 2018: eight convolutions of 64
channels on the interpolated image, which learn what it lacks, trained on crops of the frames themselves (fathers)
and on what the recording would have made of them (sons). Luma. Fathers are flipped and turned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.inference.probe import exact_convolutions
from vsr.networks import Upscaler
from vsr.networks.blocks import enlarge, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.observation.block_kernels import degrade

__all__ = ["LEAST_SIDE_PX", "ShotNetwork", "train_on_frames"]

LEAST_SIDE_PX = 64
"""Shorter sides of frames teach too little."""

_WIDTH, _DEPTH = 64, 8
_CROP_PX = 64  # side of a father
_RATE, _LAST_RATE = 1e-3, 1e-5
_SEED = 7
_LOSS_STEPS = 50  # last ones, whose mean loss is reported


class ShotNetwork(Upscaler):
    """Interpolation and what eight convolutions add to it; begins as interpolation."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.enlarged(scale, 2).conv(3, times=_DEPTH).context_px
        widths = [1, *[_WIDTH] * (_DEPTH - 1), 1]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        enlarged = enlarge(images, self.scale)
        made = enlarged.to(weights_dtype(self))
        for layer in self.layers[:-1]:
            made = functional.relu(layer(made))
        added: Tensor = self.layers[-1](made)
        return enlarged + added.to(enlarged.dtype)


def _father(lumas: Sequence[Tensor], side: int, generator: torch.Generator) -> Tensor:
    """A crop ``(1, 1, side, side)`` of one frame, flipped and turned at random."""
    which, flip, turn = (int(torch.randint(high, (1,), generator=generator)) for high in (len(lumas), 2, 4))
    luma = lumas[which]
    top, left = (int(torch.randint(length - side + 1, (1,), generator=generator)) for length in luma.shape)
    crop = luma[top : top + side, left : left + side]
    crop = crop.flip(1) if flip else crop
    return torch.rot90(crop, turn, (0, 1))[None, None].contiguous()


def _rate(step: int, steps: int) -> float:
    return _LAST_RATE + (_RATE - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * step / steps))


def train_on_frames(
    lumas: Sequence[Tensor], kernel: Tensor, scale: int, *, steps: int, noise_codes: float = 0.0
) -> tuple[Mapping[str, Tensor], float]:
    """Weights of a `ShotNetwork` on the CPU, and its mean loss at the end, in codes of 255.

    ``lumas`` are frames ``(h, w)`` in 0…1 of at least `LEAST_SIDE_PX`; ``kernel`` ``(n, n)`` is how the recording
    made samples (`vsr.observation.block_kernels`); sons get noise of ``noise_codes`` of 255. Equal frames give equal
    weights.
    """
    device = lumas[0].device
    generator = torch.Generator().manual_seed(_SEED)
    side = min(_CROP_PX, *(min(luma.shape) for luma in lumas))
    side -= side % scale
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = ShotNetwork(scale).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE)
    losses = []
    with torch.enable_grad(), exact_convolutions():
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = _rate(step, steps)
            father = _father(lumas, side, generator)
            son = degrade(father, kernel, scale)
            if noise_codes:
                son = son + torch.randn(son.shape, generator=generator).to(device) * (noise_codes / 255)
            loss = functional.l1_loss(network(son), father)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.detach())
    mean_loss = float(torch.stack(losses[-_LOSS_STEPS:]).mean()) * 255
    return {name: value.detach().cpu() for name, value in network.state_dict().items()}, mean_loss
