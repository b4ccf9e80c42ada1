"""What the frames of a shot tell together that none tells by itself: what changes from one to the next.

Codecs repeat what does not move, sample by sample, and code some frames better than others; a camera's noise is new in
every frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["LEAST_FRAMES", "NUM_CHANGES", "changes"]

NUM_CHANGES = 14
"""Length of what `changes` gives."""

LEAST_FRAMES = 3
"""Fewest frames for a measure of how much they differ in quality."""

_BLOCKS_PX = (4, 8, 16)  # of codecs
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_FLOOR = 0.05  # of magnitudes before their logarithm, in codes of 255
_RARE = 0.01  # the same for shares


def _blocks(values: Tensor, side: int) -> Tensor:
    """``(T, h, w)`` → ``(T, N, side²)``, from the first sample on; what is left over at the end is left out."""
    return values.unfold(1, side, side).unfold(2, side, side).flatten(1, 2).flatten(2)


def _log(value: Tensor, floor: float = _FLOOR) -> Tensor:
    return torch.log(value + floor)


def changes(frames: Tensor) -> Tensor:
    """``(14,)`` float32 of consecutive ``(T, h, w)`` float32 in codes of 255; T at least 3, sides at least 16.

    Shares of samples and of blocks that stay as they are, how much blocks change, how white the changes are, and how
    much sharpness and change differ from frame to frame.
    """
    steps = frames[1:] - frames[:-1]
    sizes = steps.abs()
    found = [_log((sizes < most).float().mean(), _RARE) for most in (0.5, 1.5)]
    found += [_log((_blocks(sizes, side).amax(-1) < 0.5).float().mean(), _RARE) for side in _BLOCKS_PX]
    by_block = _blocks(sizes, 8).mean(-1).flatten()
    found += [_log(torch.quantile(by_block, share)) for share in _QUANTILES]
    bends = (steps[..., 2:] - 2 * steps[..., 1:-1] + steps[..., :-2]).abs()
    found += [_log(bends.mean()), _log(bends.median())]
    sharpness = (frames[..., 2:] - 2 * frames[..., 1:-1] + frames[..., :-2]).abs().mean((1, 2))
    return torch.stack([*found, _log(sharpness).std(), _log(sizes.mean((1, 2))).std()])
