"""What a registration of two whole images found: a matrix, and whether it converged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

__all__ = ["MotionModel", "Registration"]

MotionModel = Literal["translation", "affine", "homography"]
"""``translation`` shifts, ``affine`` also turns, scales and shears, ``homography`` also tilts a plane."""

_ORDER: tuple[MotionModel, ...] = ("translation", "affine", "homography")
_NEAREST = 1e-6  # homogeneous coordinate of what lies on or beyond the horizon


@dataclass(frozen=True, eq=False)
class Registration:
    """Motion of a whole image: content at ``p`` of ``a`` is found at ``matrix * p`` of ``b``."""

    matrix: Tensor
    """(3, 3) float64, last entry 1, times (x, y, 1) in pixel indices: OpenCV's order. The identity if failed."""
    model: MotionModel
    """How free the motion was."""
    converged: bool
    """Whether it can be used. Where not, ``reason`` says why."""
    correlation: float
    """Of the images laid on each other, −1…1, where they overlap; 0 if unknown."""
    residual: float
    """Robust standard deviation of what differs after alignment and matching of brightness, 0…1; infinite if unknown.

    Both images are read smoothed (`vsr.registration.spline`), so white noise counts about half.
    """
    deviation_px: float
    """Standard deviation to expect of the place of the worst corner, in pixels; infinite if unknown."""
    reason: str = ""
    """Empty, or one sentence about why the registration failed."""

    @property
    def shift_yx(self) -> tuple[float, float]:
        """Motion of the pixel at index (0, 0); of every pixel if ``model`` is ``translation``."""
        return float(self.matrix[1, 2]), float(self.matrix[0, 2])

    def flow(self, size_yx: tuple[int, int]) -> Tensor:
        """The motion of each pixel, ``(2, H, W)`` float32 pixels, row displacement first; device of ``matrix``.

        Always finite; what lies beyond the horizon of a homography is sent far away.
        """
        axes = (torch.arange(size, dtype=torch.float64, device=self.matrix.device) for size in size_yx)
        y, x = torch.meshgrid(*axes, indexing="ij")
        to_x, to_y, depth = (row[0] * x + row[1] * y + row[2] for row in self.matrix)
        depth = depth.clamp(min=_NEAREST)
        return torch.stack([to_y / depth - y, to_x / depth - x]).to(torch.float32)

    def inverse(self) -> Registration:
        """The motion from ``b`` to ``a``, of the same quality."""
        matrix = torch.linalg.inv(self.matrix)
        return replace(self, matrix=matrix / matrix[2, 2])

    def compose(self, other: Registration) -> Registration:
        """The motion from ``a`` to ``c``, where ``other`` is that from ``b`` to ``c``.

        It matches as well as the worse of the two; uncertainties add up as independent ones do.
        """
        matrix = other.matrix @ self.matrix
        return Registration(
            matrix=matrix / matrix[2, 2],
            model=max(self.model, other.model, key=_ORDER.index),
            converged=self.converged and other.converged,
            correlation=min(self.correlation, other.correlation),
            residual=max(self.residual, other.residual),
            deviation_px=math.hypot(self.deviation_px, other.deviation_px),
            reason=self.reason or other.reason,
        )
