"""Bilateral total variation: images are smooth, with edges (Farsiu, Robinson, Elad, Milanfar 2004).

    R(x) = sum over shifts (m, l) with m, l within P, each pair of opposite shifts once, of
           alpha^(|m| + |l|) * |x - S^m S^l x|

where ``S^m S^l`` shifts the image by m rows and l columns. Differences across the border count as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.kernels import kernel
from vsr.observation.stencil import Stencil

__all__ = ["BilateralTV", "bilateral_maps"]

Offset = tuple[int, int]


def _overlap(x: Tensor, offset: Offset) -> tuple[Tensor, Tensor]:
    """Views of the pixels that have a neighbour at ``offset`` and of those neighbours."""
    dy, dx = offset
    height, width = x.shape
    here, there = slice(max(0, -dx), width - max(0, dx)), slice(max(0, dx), width - max(0, -dx))
    return x[: height - dy, here], x[dy:, there]


@dataclass(frozen=True)
class BilateralTV:
    """The prior with its reach and decay."""

    radius: int = 2
    """Largest shift P, in pixels of x."""
    alpha: float = 0.7
    """Weight lost with every pixel of distance, 0…1."""

    def __post_init__(self) -> None:
        if self.radius < 1 or not 0.0 < self.alpha <= 1.0:
            raise ValueError(f"radius must be at least 1 and alpha in (0, 1], got {self.radius} and {self.alpha}")

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all shifts, so that priors of different reach can be made equally strong."""
        return sum(weight for _, weight in self.offsets((self.radius + 1, self.radius + 1)))

    def offsets(self, size_yx: tuple[int, int]) -> Iterator[tuple[Offset, float]]:
        """Shifts that fit an image of ``size_yx``, one of each opposite pair, with their weights."""
        for dy in range(min(self.radius, size_yx[0] - 1) + 1):
            reach = min(self.radius, size_yx[1] - 1)
            for dx in range(-reach if dy else 1, reach + 1):
                yield (dy, dx), self.alpha ** (dy + abs(dx))

    def value(self, x: Tensor) -> Tensor:
        """R(x) of an ``(H, W)`` image, 0-d."""
        total = x.new_zeros(())
        for offset, weight in self.offsets(_size(x)):
            here, there = _overlap(x, offset)
            total = total + weight * (there - here).abs().sum()
        return total

    def subgradient(self, x: Tensor) -> Tensor:
        """``sum alpha^(|m|+|l|) (I - S^-m S^-l) sign(x - S^m S^l x)``, ``(H, W)``."""
        gradient = torch.zeros_like(x)
        for offset, weight in self.offsets(_size(x)):
            here, there = _overlap(x, offset)
            sign = weight * torch.sign(there - here)
            low, high = _overlap(gradient, offset)
            low -= sign
            high += sign
        return gradient

    def differences(self, x: Tensor) -> Iterator[tuple[float, Tensor]]:
        """Weight and differences of neighbours in ``x`` ``(H, W)``, one pair for each shift."""
        for offset, weight in self.offsets(_size(x)):
            here, there = _overlap(x, offset)
            yield weight, there - here

    def majorizer(
        self,
        x: Tensor,
        strength: float | Tensor,
        knee: float | Tensor,
        edge_weights: Callable[[Tensor], Tensor] | None = None,
    ) -> Stencil:
        """Matrix R of the quadratic that touches ``strength`` times the prior at ``x``, ``(H, W)``.

        ``u^T R u = strength * sum alpha^(|m|+|l|) (u - S^m S^l u)² / max(|x - S^m S^l x|, knee)``: differences below
        ``knee`` (same unit as ``x``) are smoothed as squares, those above are kept as edges (Huber's function).
        ``edge_weights`` gives each difference a weight by its size ``|x - S^m S^l x|``, at least ``knee``.
        """
        shifts = list(self.offsets(_size(x)))
        offsets = tuple(offset for offset, _ in shifts)
        pulls = tuple(float(weight * strength) for _, weight in shifts)
        if edge_weights is None:
            centre, *couplings = bilateral_maps(x, offsets, pulls, float(knee))
        else:
            centre, *couplings = _maps(x, offsets, pulls, float(knee), edge_weights)
        return Stencil(centre, dict(zip(offsets, couplings, strict=True)))


@kernel("vsr.kernels.equations")
def bilateral_maps(x: Tensor, offsets: tuple[Offset, ...], pulls: tuple[float, ...], knee: float) -> tuple[Tensor, ...]:
    """The matrix of `BilateralTV.majorizer` at ``x`` ``(H, W)``: its diagonal, and a coupling for each of ``offsets``.

    ``pulls``: weights of the squared differences between neighbours, times those differences.
    """
    return _maps(x, offsets, pulls, knee, None)


def _maps(
    x: Tensor,
    offsets: tuple[Offset, ...],
    pulls: tuple[float, ...],
    knee: float,
    edge_weights: Callable[[Tensor], Tensor] | None,
) -> tuple[Tensor, ...]:
    centre, couplings = torch.zeros_like(x), []
    for offset, weight in zip(offsets, pulls, strict=True):
        here, there = _overlap(x, offset)
        size = (there - here).abs_().clamp_(min=knee)
        pull = weight / size
        if edge_weights is not None:
            pull = pull * edge_weights(size)
        low, high = _overlap(centre, offset)
        low += pull
        high += pull
        coupling = torch.zeros_like(x)
        _overlap(coupling, offset)[0].copy_(pull).neg_()
        couplings.append(coupling)
    return centre, *couplings


def _size(x: Tensor) -> tuple[int, int]:
    return int(x.shape[0]), int(x.shape[1])
