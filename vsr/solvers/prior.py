"""What a picture is expected to look like where the samples leave it open: smooth, with edges."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vsr.observation import Stencil

__all__ = ["edge_preserving_prior"]

_DIAGONAL_WEIGHT = 0.6  # of the diagonal differences, which span 1.4 pixels


def _differences(x: Tensor) -> Sequence[Tensor]:
    """Right, down, down-right and down-left neighbour minus pixel, each ``(H, W)``, 0 across the border."""
    right, down, down_right, down_left = (torch.zeros_like(x) for _ in range(4))
    torch.sub(x[:, 1:], x[:, :-1], out=right[:, :-1])
    torch.sub(x[1:], x[:-1], out=down[:-1])
    torch.sub(x[1:, 1:], x[:-1, :-1], out=down_right[:-1, :-1])
    torch.sub(x[1:, :-1], x[:-1, 1:], out=down_left[:-1, 1:])
    return right, down, down_right, down_left


def edge_preserving_prior(x: Tensor, strength: Tensor, knee: Tensor) -> Stencil:
    """Matrix R of the quadratic that touches a Huber bilateral total variation at the picture ``x``.

    ``u^T R u = strength * sum over four directions d of a_d (D_d u)² / max(|D_d x|, knee)``: differences
    below ``knee`` (same unit as ``x``) are smoothed away, those above are kept as edges. ``x`` is ``(H, W)``,
    at least 2×2; ``strength`` and ``knee`` are 0-d.
    """
    right, down, down_right, down_left = (strength / d.abs().clamp(min=knee) for d in _differences(x))
    for diagonal in (down_right, down_left):
        diagonal.mul_(_DIAGONAL_WEIGHT)[-1] = 0
    right[:, -1] = 0
    down[-1] = 0
    down_right[:, -1] = 0
    down_left[:, 0] = 0
    centre = right + down + down_right + down_left
    centre[:, 1:] += right[:, :-1]
    centre[1:] += down[:-1]
    centre[1:, 1:] += down_right[:-1, :-1]
    centre[1:, :-1] += down_left[:-1, 1:]
    return Stencil(centre, right.neg_(), down.neg_(), down_right.neg_(), down_left.neg_())
