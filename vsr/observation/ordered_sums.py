"""Sums of scattered values, added in an order that depends on nothing but where the values belong.

Parallel hardware adds scattered floats in whatever order they arrive, so two runs differ in the last bits.
Here the values that belong to one cell are put side by side once, and then added in pairs: every step writes
each cell at most once.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["OrderedSums"]


class OrderedSums:
    """Sums per cell of values that belong to ``cells`` ``(N,)`` int64, not negative, of any order and number a cell."""

    def __init__(self, cells: Tensor) -> None:
        small = cells.numel() == 0 or int(cells.max()) < 1 << 31
        in_order, order = torch.sort(cells.to(torch.int32) if small else cells, stable=True)  # twice as quick
        self.order: Tensor = order
        """``(N,)``: the place among the given cells of each value in the order that `fold` takes."""
        self.cells: Tensor
        """``(M,)``: the cells that occur, each once, rising."""
        self.cells, counts = torch.unique_consecutive(in_order.to(torch.int64), return_counts=True)
        first_of_cell = counts.cumsum(0) - counts
        rank = torch.arange(len(cells), device=cells.device) - first_of_cell.repeat_interleave(counts)
        folds = []
        while rank.numel() and int(rank.max()) > 0:
            even = rank % 2 == 0
            kept, added = even.nonzero()[:, 0], (~even).nonzero()[:, 0]
            folds.append((kept, added, (even.cumsum(0) - 1)[added]))
            rank = rank[kept] // 2
        self._folds = tuple(folds)

    def fold(self, values: Tensor) -> Tensor:
        """Sums ``(..., M)`` over each of `cells` of ``values`` ``(..., N)``, which are in the order of `order`."""
        for kept, added, place in self._folds:
            sums = values.index_select(-1, kept)
            sums.index_copy_(-1, place, sums.index_select(-1, place) + values.index_select(-1, added))
            values = sums
        return values
