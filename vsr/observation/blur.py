"""Gaussian blur as a linear operator: lens, motion averaged out, and the light-collecting area of a pixel."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["GaussianBlur"]

_REACH = 3.0  # kernel radius in sigmas
_SHARP = 0.15  # below this sigma (samples) the blur is the identity: the next tap would weigh under 1e-9


@lru_cache(maxsize=64)
def _taps(sigma: float) -> tuple[float, ...]:
    """Weights of samples 0, 1, 2, … to either side; both sides sum to 1."""
    if sigma < _SHARP:
        return (1.0,)
    radius = max(1, math.ceil(_REACH * sigma))
    half = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(radius + 1)]
    total = half[0] + 2 * sum(half[1:])
    return tuple(weight / total for weight in half)


def _mirrored(picture: Tensor, radius: int, dim: int) -> Tensor:
    size = picture.shape[dim]
    index = torch.remainder(torch.arange(-radius, size + radius, device=picture.device), 2 * size)
    return picture.index_select(dim, torch.minimum(index, 2 * size - 1 - index))


def _blur_along(picture: Tensor, sigma: float, dim: int) -> Tensor:
    taps = _taps(sigma)
    radius, size = len(taps) - 1, picture.shape[dim]
    if radius == 0:
        return picture
    padded = _mirrored(picture, radius, dim)
    result = picture * taps[0]
    for k, weight in enumerate(taps[1:], 1):
        result.add_(padded.narrow(dim, radius - k, size), alpha=weight)
        result.add_(padded.narrow(dim, radius + k, size), alpha=weight)
    return result


class GaussianBlur:
    """Separable Gaussian blur of ``(..., H, W)`` floating-point pictures, sigma per axis in samples.

    The picture is mirrored about its edge, so a constant stays constant. With that border a symmetric kernel
    is a symmetric matrix (the discrete cosine transform diagonalises both): it is its own adjoint.
    """

    def __init__(self, sigma_y: float, sigma_x: float) -> None:
        if min(sigma_y, sigma_x) < 0:
            raise ValueError(f"sigmas must not be negative, got {sigma_y} and {sigma_x}")
        self._sigma_y, self._sigma_x = sigma_y, sigma_x

    def A(self, picture: Tensor) -> Tensor:  # noqa: N802
        """The blurred picture; same shape, dtype and device."""
        return _blur_along(_blur_along(picture, self._sigma_y, -2), self._sigma_x, -1)

    def A_adjoint(self, picture: Tensor) -> Tensor:  # noqa: N802
        """Equal to `A`."""
        return self.A(picture)
