"""Losses that compare pixel with pixel."""

from __future__ import annotations

from torch import Tensor

__all__ = ["charbonnier", "l1", "l2"]

_CHARBONNIER_EPS = 1e-3  # of Lai et al., LapSRN, CVPR 2017, for values in 0…1


def l1(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """Mean of |made - true|."""
    return (made - true).abs().mean()


def l2(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """Mean of (made - true)²."""
    return (made - true).square().mean()


def charbonnier(made: Tensor, true: Tensor, small: Tensor) -> Tensor:
    """Mean of √((made - true)² + ε²), ε = 0.001: |·| without its corner."""
    return ((made - true).square() + _CHARBONNIER_EPS**2).sqrt().mean()
