"""Weights of a second network while they learn, and what it makes of sequences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from card import Figures
from sequences import NUM_FRAMES, Batch, Item, stack
from torch import Tensor, nn
from torch.func import functional_call
from variants import Remembering, Window

__all__ = ["Learning", "measure", "squares"]

EDGE_PX = 3  # of a patch, in small pixels, that loss and figures leave out


class Learning:
    """Sets of weights of a second network, mixed for each source as the base mixes its own."""

    def __init__(self, walker: Remembering | Window, scale: int, num_sets: int) -> None:
        second = {name: value for name, value in walker.second.named_parameters() if not name.startswith("base.")}
        self.sets = {
            name: [nn.Parameter(value.detach().clone()) for _ in range(num_sets)] for name, value in second.items()
        }
        self._walker, self._pixels = walker, scale**2

    def stacked(self) -> dict[str, Tensor]:
        """Each tensor's sets, ``(K, …)``."""
        return {name: torch.stack([one.detach() for one in sets]) for name, sets in self.sets.items()}

    @torch.no_grad()
    def take(self, stacked: dict[str, Tensor]) -> None:
        """Go on with other weights, as `stacked` gives them."""
        for name, sets in self.sets.items():
            for one, value in zip(sets, stacked[name], strict=True):
                one.copy_(value)

    def results(self, batch: Batch, first: int = 0) -> Tensor:
        """What is made of the frames of ``batch`` from ``first`` on, ``(T, B, scale², h, w)``, as vsr runs it.

        Those ahead of ``first`` are gone through for what is remembered of them, without gradients.
        """
        return torch.stack([self._run(batch, place, first) for place in range(batch.luma.shape[1])], 1)

    def _run(self, batch: Batch, place: int, first: int) -> Tensor:
        weights = {
            f"second.{name}": sum(share * one for share, one in zip(batch.shares[place], sets, strict=True))
            for name, sets in self.sets.items()
        }
        made = []
        given: Tensor | None = None
        for number in range(len(batch)):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= first):
                given = functional_call(self._walker, weights, (batch, number, place, given))[0].float()
            if number >= first:
                made.append(given[: self._pixels])
        return torch.stack(made)


def squares(made: Tensor, hr: Tensor) -> Tensor:
    """Mean squared errors ``(T, B)``, edges left out."""
    return (made - hr)[..., EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX].square().mean((2, 3, 4))


def measure(learning: Learning, items: Sequence[Item]) -> Figures:
    """Over whole sequences, from nothing on."""
    rows: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    with torch.no_grad():
        for item in items:
            side = min(item.small.shape[1:])
            batch = stack([item], [0], [(0, 0)], NUM_FRAMES, side)
            alone, made = squares(batch.luma + batch.detail, batch.hr), squares(learning.results(batch), batch.hr)
            gain = 10 * torch.log10(alone / made)[:, 0]
            row = float((-10 * torch.log10(alone)).mean()), float(gain[0]), float(gain[1:].mean())
            for kind in (item.kind, "all"):
                rows[kind].append(row)
    means = {kind: (len(found), *map(float, np.mean(found, axis=0))) for kind, found in rows.items()}
    return dict(sorted(means.items(), key=lambda one: (one[0] != "all", one[0])))  # type: ignore[arg-type]
