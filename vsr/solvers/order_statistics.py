"""Weighted medians, of all values or cell by cell.

Weights are rounded to whole numbers first: sums of integers are the same in any order, so the median repeats to the
bit on parallel hardware too.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["cell_medians", "weighted_mad", "weighted_median"]

_WEIGHT_STEP = float(1 << 16)
_GAUSSIAN = 1.4826  # standard deviations in a median absolute deviation


def _whole(weights: Tensor) -> Tensor:
    return weights.clamp(min=0).mul(_WEIGHT_STEP).round().to(torch.int64)


def cell_medians(cells: Tensor, values: Tensor, weights: Tensor, num_cells: int) -> tuple[Tensor, Tensor]:
    """``(medians, totals)``, each ``(num_cells,)``: weighted median of the values in each cell, and their weight.

    ``cells`` int64, ``values`` and ``weights`` (0…1, steps of 1/65536) are ``(N,)``. Of two middle values the mean is
    taken. A cell without weight has median 0 and total 0.
    """
    if not len(values):
        return values.new_zeros(num_cells), values.new_zeros(num_cells)
    by_value = torch.argsort(values, stable=True)
    order = by_value[torch.argsort(cells[by_value], stable=True)]
    running = torch.cumsum(_whole(weights[order]), 0)
    ends = torch.searchsorted(cells[order], torch.arange(num_cells, device=cells.device), right=True)
    reached = torch.cat([running.new_zeros(1), running])[ends]
    before = torch.cat([reached.new_zeros(1), reached[:-1]])
    totals = reached - before
    last, ranked = len(values) - 1, values[order]
    lower = torch.searchsorted(running, before + (totals + 1) // 2).clamp(max=last)
    upper = torch.searchsorted(running, before + totals // 2 + 1).clamp(max=last)
    middle = (ranked[lower] + ranked[upper]) / 2
    return torch.where(totals > 0, middle, torch.zeros_like(middle)), totals.to(values.dtype) / _WEIGHT_STEP


def weighted_median(values: Tensor, weights: Tensor) -> Tensor:
    """The median of ``values``, any shape, 0-d; ``weights`` of the same shape, 0…1. 0 where nothing has weight."""
    flat = values.reshape(-1)
    everywhere = torch.zeros(len(flat), dtype=torch.int64, device=flat.device)
    return cell_medians(everywhere, flat, weights.reshape(-1), 1)[0][0]


def weighted_mad(values: Tensor, weights: Tensor) -> float:
    """Standard deviation of most of ``values``: 1.4826 times their weighted median absolute deviation."""
    return _GAUSSIAN * float(weighted_median((values - weighted_median(values, weights)).abs(), weights))
