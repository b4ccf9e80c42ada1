"""The contract of estimators of blur kernels, and what those that learn from frames share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.kernel_prior import load_kernel_prior

__all__ = ["Crops", "Estimate", "KernelEstimator"]

_EDGES = 0.97  # share of pixels whose gradient counts in full; stronger ones count no more
_FLAT = 1e-8  # so that a flat frame is drawn from, too


class Estimate(Protocol):
    """What a row computes."""

    def __call__(self, lumas: Sequence[Tensor], scale: int, *, steps: int, prior: nn.Module | None) -> Tensor | None:
        """The kernel ``(n, n)`` of `vsr.observation.block_kernels` behind consecutive frames ``(h, w)`` in 0…1.

        None where they are too small or too flat to tell. Equal frames give equal kernels. ``steps``: of those that
        take any; ``prior``: what the row's ``load`` gives, of those that need it, for the scale that the row says.
        """
        ...


def _none(scale: int) -> int | None:
    return None


@dataclass(frozen=True)
class KernelEstimator:
    """A row of the table of estimators."""

    name: str
    summary: str
    """One line for lists and help."""
    citation: str
    estimate: Estimate
    steps: int = 0
    """Usual ones; 0: it takes none."""
    seconds_a_step: float = 0.0
    """On one core of a desktop of 2020: for people, decides nothing."""
    prior_scale: Callable[[int], int | None] = _none
    """The scale of the weights that it needs for a scale, a kernel prior's or a network's; None: it needs none."""
    usual_prior: str = "fkp"
    """Name of the weights that are taken where none are named."""
    load: Callable[[str, int], tuple[nn.Module, str]] = load_kernel_prior
    """Weights by name or file, for a scale, ready to run, and their digest. Raises `ModelError`."""


def _detail(luma: Tensor, side: int) -> Tensor:
    """Mean gradient of every square of ``side`` pixels, by the place of its first one."""
    across = functional.pad((luma[:, 2:] - luma[:, :-2]).abs(), (1, 1))
    down = functional.pad((luma[2:] - luma[:-2]).abs(), (0, 0, 1, 1))
    slope = (across.square() + down.square()).sqrt()
    most = slope.flatten().kthvalue(max(1, round(_EDGES * slope.numel()))).values
    return functional.avg_pool2d(slope.clamp(max=float(most))[None, None], side, 1)[0, 0] + _FLAT


class Crops:
    """Random squares of some frames, where there is detail."""

    def __init__(self, lumas: Sequence[Tensor], side: int, generator: torch.Generator) -> None:
        self._lumas, self._side, self._generator = lumas, side, generator
        details = [_detail(luma, side) for luma in lumas]
        self._widths = [detail.shape[1] for detail in details]
        self._stops = torch.tensor([detail.numel() for detail in details]).cumsum(0)
        self._reach = torch.cat([detail.flatten() for detail in details]).double().cumsum(0)

    def draw(self, count: int) -> Tensor:
        """``(count, 1, side, side)``, each place as likely as it has detail."""
        drawn = torch.rand(count, generator=self._generator, dtype=torch.float64) * self._reach[-1]
        places = torch.searchsorted(self._reach, drawn).clamp(max=len(self._reach) - 1)
        return torch.stack([self._at(int(place)) for place in places])[:, None]

    def _at(self, place: int) -> Tensor:
        number = int(torch.searchsorted(self._stops, place, right=True))
        top, left = divmod(place - (int(self._stops[number - 1]) if number else 0), self._widths[number])
        return self._lumas[number][top : top + self._side, left : left + self._side]

    def most_detailed(self) -> Tensor:
        """``(1, 1, side, side)``: the one with the most."""
        chances = torch.diff(self._reach, prepend=self._reach.new_zeros(1))
        return self._at(int(chances.argmax()))[None, None]
