"""How noisy a frame is, told from the frame alone.

Where a picture is smooth, what is left at the highest spatial frequencies is noise (after Ponomarenko and others,
"An automatic approach to lossy compression of AVIRIS images", 2007): blocks are transformed by the DCT, those with the
least energy at low frequencies are taken, and the median of their energy at high frequencies is the noise's variance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["LEAST_TOLD", "estimate_noise"]

LEAST_TOLD = 0.01
"""Share of full range below which noise and fine texture cannot be told apart: such frames count as clean."""

_SIDE = 8
_STEP = 4  # blocks overlap by half
_MOST_BLOCKS = 1 << 14
_SMOOTHEST = 0.02  # share of the blocks that is looked at
_LEAST_BLOCKS = 8
_LOW, _HIGH = 6, 9  # sums of both frequencies: up to and from


def _dct_matrix(like: Tensor) -> Tensor:
    number = torch.arange(_SIDE, dtype=like.dtype, device=like.device)
    matrix = torch.cos(math.pi * (number[None] + 0.5) * number[:, None] / _SIDE) * math.sqrt(2 / _SIDE)
    matrix[0] /= math.sqrt(2)
    return matrix


def estimate_noise(plane: Tensor, peak: float) -> float:
    """Standard deviation of white noise in ``plane`` ``(h, w)``, in its units; 0 where there is no telling.

    Values at 0 or ``peak`` may be cut off, so blocks with such are left out. Right to about 10 % for 2 to 10 % of
    ``peak``. Estimates under `LEAST_TOLD` of ``peak`` are given as 0: clean photographs mostly come out between 0.1
    and 0.8 %, small ones full of fine texture higher.
    """
    if min(plane.shape) < 2 * _SIDE:
        return 0.0
    blocks = plane.float().unfold(0, _SIDE, _STEP).unfold(1, _SIDE, _STEP).reshape(-1, _SIDE, _SIDE)
    blocks = blocks[:: max(1, len(blocks) // _MOST_BLOCKS)]
    inside = ((blocks > 0) & (blocks < peak)).flatten(1).all(1)
    blocks = blocks[inside]
    if len(blocks) < _LEAST_BLOCKS:
        return 0.0
    matrix = _dct_matrix(blocks)
    energy = (matrix @ blocks @ matrix.T).square()
    order = torch.arange(_SIDE, device=blocks.device)
    both = order[:, None] + order
    low = energy[:, (both > 0) & (both <= _LOW)].mean(1)
    high = energy[:, both >= _HIGH].mean(1)
    smoothest = low.argsort(stable=True)[: max(_LEAST_BLOCKS, int(_SMOOTHEST * len(blocks)))]
    sigma = float(high[smoothest].median().sqrt())
    return sigma if sigma >= LEAST_TOLD * peak else 0.0
