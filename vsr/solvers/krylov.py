"""Conjugate gradients for symmetric positive operators on images (Hestenes and Stiefel 1952)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["conjugate_gradients"]

_TINY = 1e-30


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product, 0-d float64: rows in float32 or the images' higher precision, their sum in float64."""
    precision = torch.promote_types(a.dtype, torch.float32)
    return (a.to(precision) * b.to(precision)).sum(-1).sum(dtype=torch.float64)


def conjugate_gradients(apply: Callable[[Tensor], Tensor], right: Tensor, x: Tensor, steps: int) -> Tensor:
    """``steps`` steps from ``x`` towards ``apply(x) = right``, all ``(H, W)``.

    Images may be of half precision, scalars never are. A fixed number of steps, so that the same input gives the
    same bytes. Once the residual is 0 nothing moves.
    """
    residual = right - apply(x)
    direction = residual.clone()
    square = _dot(residual, residual)
    for _ in range(steps):
        image = apply(direction)
        step = (square / (_dot(direction, image) + _TINY)).to(x.dtype)
        x = torch.addcmul(x, direction, step)
        residual.addcmul_(image, -step)
        new_square = _dot(residual, residual)
        direction.mul_((new_square / (square + _TINY)).to(x.dtype)).add_(residual)
        square = new_square
    return x
