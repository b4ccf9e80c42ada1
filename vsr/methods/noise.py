"""How noisy a frame is, estimated from the frame alone.

Noise is white, images are not: their energy falls towards high spatial frequencies. Blocks whose energy, by the
discrete cosine transform, is spread evenly over all frequencies show noise and little else, if there are enough of
them. Among those and among the smoothest blocks of the image the energy at high frequencies tells the variance
(the latter after Ponomarenko and others, "An automatic approach to lossy compression of AVIRIS images", 2007).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["LEAST_ESTIMATE", "estimate_noise"]

LEAST_ESTIMATE = 0.01
"""Share of full range below which noise and fine texture are indistinguishable: such frames count as clean."""

_SIDE = 8
_STEP = 4  # blocks overlap by half
_MOST_BLOCKS = 1 << 14
_LEAST_BLOCKS = 20
_LOW, _HIGH = 4, 9  # sums of both frequencies: low up to, high from
_WHITE_LOW, _WHITE_MIDDLE = (0.3, 2.5), (0.55, 1.8)  # energies over that at high frequencies: of white blocks
_LEAST_WHITE = 0.012  # share of the blocks
_SMOOTHEST = 0.02  # share of the blocks


def _dct_matrix(like: Tensor) -> Tensor:
    number = torch.arange(_SIDE, dtype=like.dtype, device=like.device)
    matrix = torch.cos(math.pi * (number[None] + 0.5) * number[:, None] / _SIDE) * math.sqrt(2 / _SIDE)
    matrix[0] /= math.sqrt(2)
    return matrix


def estimate_noise(plane: Tensor, peak: float) -> float:
    """Standard deviation of white noise in ``plane`` ``(h, w)``, in its units; 0 where none is found.

    Values at 0 or ``peak`` may be cut off, so blocks with such are left out. Right to about 10 % where it is not 0.
    Estimates under `LEAST_ESTIMATE` of ``peak`` are given as 0. Of 27 clean images (Set5, Set14, Vid4, shrunk by 2 or
    4) none was taken for noisy; noise of 5 codes of 255 was missed in small images full of texture.
    """
    if min(plane.shape) < 2 * _SIDE:
        return 0.0
    blocks = plane.float().unfold(0, _SIDE, _STEP).unfold(1, _SIDE, _STEP).reshape(-1, _SIDE, _SIDE)
    blocks = blocks[:: max(1, len(blocks) // _MOST_BLOCKS)]
    blocks = blocks[((blocks > 0) & (blocks < peak)).flatten(1).all(1)]
    if len(blocks) < _LEAST_BLOCKS:
        return 0.0
    matrix = _dct_matrix(blocks)
    energy = (matrix @ blocks @ matrix.T).square()
    order = torch.arange(_SIDE, device=blocks.device)
    both = order[:, None] + order
    low = energy[:, (both > 0) & (both <= _LOW)].mean(1)
    middle = energy[:, (both > _LOW) & (both < _HIGH)].mean(1)
    high = energy[:, both >= _HIGH].mean(1)
    is_white = torch.ones_like(high, dtype=torch.bool)
    for part, (least, most) in ((low, _WHITE_LOW), (middle, _WHITE_MIDDLE)):
        is_white &= (part > least * high) & (part < most * high)
    if float(is_white.float().mean()) < _LEAST_WHITE:
        return 0.0
    smoothest = (low + middle).argsort(stable=True)[: max(_LEAST_BLOCKS // 2, int(_SMOOTHEST * len(blocks)))]
    sigma = math.sqrt(min(float(high[is_white].median()), float(high[smoothest].median())))
    return sigma if sigma >= LEAST_ESTIMATE * peak else 0.0
