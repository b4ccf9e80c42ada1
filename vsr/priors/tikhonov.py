"""Tikhonov's prior: small differences between neighbours, edges or not (the l2 solver's)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.observation.stencil import Stencil

__all__ = ["Tikhonov"]


@dataclass(frozen=True)
class Tikhonov:
    """``R(x) = (sum |x(y, x+1) - x(y, x)|² + |x(y+1, x) - x(y, x)|²) / 2``."""

    def value(self, x: Tensor) -> Tensor:
        """R(x) of an ``(H, W)`` image, 0-d."""
        return ((x[:, 1:] - x[:, :-1]).square().sum() + (x[1:] - x[:-1]).square().sum()) / 2

    def majorizer(self, x: Tensor, strength: float | Tensor, knee: float | Tensor) -> Stencil:
        """The matrix of ``strength`` times the prior; the same at every ``x`` ``(H, W)``, whatever the ``knee``."""
        centre, right, down = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x)
        right[:, :-1] = -strength
        down[:-1] = -strength
        centre[:, :-1] += strength
        centre[:, 1:] += strength
        centre[:-1] += strength
        centre[1:] += strength
        return Stencil(centre, {(0, 1): right, (1, 0): down})
