"""What images are expected to look like where the samples leave it open.

A prior gives its ``value`` at an image and its ``majorizer``: the matrix of the quadratic that touches it
there, which is what solvers by re-weighted least squares need.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from torch import Tensor

from vsr.observation.stencil import Stencil
from vsr.priors.btv import BilateralTV
from vsr.priors.tikhonov import Tikhonov

__all__ = ["PRIORS", "BilateralTV", "Prior", "Tikhonov"]


class Prior(Protocol):
    """A penalty on images ``(H, W)``, floating point, any device."""

    def value(self, x: Tensor) -> Tensor:
        """The penalty of ``x``, 0-d."""
        ...

    def majorizer(self, x: Tensor, strength: float | Tensor, knee: float | Tensor) -> Stencil:
        """Matrix R of which ``R x`` is the gradient at ``x`` of ``strength`` times the penalty.

        Differences below ``knee``, in the unit of ``x``, count as squares, so that R stays finite.
        """
        ...


PRIORS: Mapping[str, Prior] = MappingProxyType(
    {"btv": BilateralTV(), "tv": BilateralTV(radius=1, alpha=0.5), "tikhonov": Tikhonov()}
)
"""Priors by name, with the literature's parameters."""
