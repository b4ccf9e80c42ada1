"""Distortion by a lens, as OpenCV models it: from where a pinhole camera would show a point to where this one does.

Rational radial, tangential and thin-prism terms (Brown 1971, Zhang 2000, as in ``cv::projectPoints``), or four terms
of the angle for fisheye lenses (Kannala and Brandt 2006, as in ``cv::fisheye::projectPoints``). Positions are pixel
indices, whose centres lie at whole numbers, as OpenCV has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Lens"]

_LENGTHS = (4, 5, 8, 12)  # of lists of coefficients that OpenCV takes; a fisheye has 4
_STEPS = 20  # of Newton's method on the radius; five do for usual lenses
_RADII = 4096  # at which it is looked whether the image still grows with the angle
_FARTHEST = 8.0  # tangent of the widest angle to the axis that is looked at


@dataclass(frozen=True)
class Lens:
    """A calibrated lens."""

    focal_xy: tuple[float, float]
    """Focal lengths in pixels."""
    centre_xy: tuple[float, float]
    """Pixel indices of the optical axis."""
    coefficients: tuple[float, ...]
    """k1, k2, p1, p2[, k3[, k4, k5, k6[, s1, s2, s3, s4]]]; of a fisheye k1, k2, k3, k4."""
    is_fisheye: bool = False
    size_xy: tuple[int, int] | None = None
    """Width and height of the images that it was calibrated on; None: any."""

    def __post_init__(self) -> None:
        """ValueError for what is no lens."""
        numbers = (*self.focal_xy, *self.centre_xy, *self.coefficients)
        if not all(math.isfinite(number) for number in numbers) or min(self.focal_xy) <= 0:
            raise ValueError("focal lengths are above 0, and all numbers finite")
        allowed = (4,) if self.is_fisheye else _LENGTHS
        if len(self.coefficients) not in allowed:
            raise ValueError(
                f"{len(self.coefficients)} coefficients; it takes {' or '.join(map(str, allowed))} of them"
            )

    def for_size(self, width: int, height: int) -> Lens:
        """The same lens on images of another size. ValueError where their shape differs by more than 1 %."""
        if self.size_xy is None or self.size_xy == (width, height):
            return self
        across, down = width / self.size_xy[0], height / self.size_xy[1]
        if abs(across / down - 1) > 0.01:
            own = f"{self.size_xy[0]}x{self.size_xy[1]}"
            raise ValueError(f"it was calibrated on {own}, which has another shape than {width}x{height}")
        (focal_x, focal_y), (x, y) = self.focal_xy, self.centre_xy
        return replace(
            self,
            focal_xy=(focal_x * across, focal_y * down),
            centre_xy=((x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5),
            size_xy=(width, height),
        )

    def distort(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Where the lens shows what a pinhole camera shows at ``(x, y)``; any shape, float64 is best.

        NaN where the model folds back on itself: there it says nothing.
        """
        a, b = self._to_plane(x, y)
        radius = torch.hypot(a, b)
        gain = self._radial(radius)
        to_a, to_b = a * gain, b * gain
        if not self.is_fisheye:
            off_a, off_b = self._sideways(a, b, radius.square())
            to_a, to_b = to_a + off_a, to_b + off_b
        folded = radius > self._reach()
        to_a, to_b = (torch.where(folded, math.nan, value) for value in (to_a, to_b))
        return to_a * self.focal_xy[0] + self.centre_xy[0], to_b * self.focal_xy[1] + self.centre_xy[1]

    def undistort(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of `distort`, by a fixed number of Newton's steps along the radius and of the rest around it."""
        a, b = self._to_plane(x, y)
        to_a, to_b = a, b
        reach = self._reach()
        for _ in range(_STEPS):
            off_a, off_b = (0.0, 0.0) if self.is_fisheye else self._sideways(to_a, to_b, to_a.square() + to_b.square())
            goal_a, goal_b = a - off_a, b - off_b
            goal, radius = torch.hypot(goal_a, goal_b), torch.hypot(to_a, to_b)
            step = 1e-6
            slope = ((radius + step) * self._radial(radius + step) - radius * self._radial(radius)) / step
            radius = (radius + (goal - radius * self._radial(radius)) / slope.clamp(min=0.05)).clamp(0, reach)
            turn = radius / goal.clamp(min=1e-12)
            to_a, to_b = goal_a * turn, goal_b * turn
        return to_a * self.focal_xy[0] + self.centre_xy[0], to_b * self.focal_xy[1] + self.centre_xy[1]

    def _to_plane(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return (x - self.centre_xy[0]) / self.focal_xy[0], (y - self.centre_xy[1]) / self.focal_xy[1]

    def _radial(self, radius: Tensor) -> Tensor:
        """By how much the distance from the axis is multiplied."""
        if self.is_fisheye:
            angle = torch.atan(radius)
            square = angle.square()
            k1, k2, k3, k4 = self.coefficients
            bent = angle * (1 + square * (k1 + square * (k2 + square * (k3 + square * k4))))
            return torch.where(radius > 1e-9, bent / radius.clamp(min=1e-9), 1.0)
        k1, k2, _, _, k3, k4, k5, k6 = (*self.coefficients, 0.0, 0.0, 0.0, 0.0)[:8]
        square = radius.square()
        above = 1 + square * (k1 + square * (k2 + square * k3))
        return above / (1 + square * (k4 + square * (k5 + square * k6)))

    def _sideways(self, a: Tensor, b: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
        """Tangential and thin-prism displacement."""
        p1, p2 = self.coefficients[2:4]
        s1, s2, s3, s4 = self.coefficients[8:12] or (0.0, 0.0, 0.0, 0.0)
        off_a = 2 * p1 * a * b + p2 * (square + 2 * a * a) + square * (s1 + square * s2)
        off_b = p1 * (square + 2 * b * b) + 2 * p2 * a * b + square * (s3 + square * s4)
        return off_a, off_b

    def _reach(self) -> float:
        """Distance from the axis up to which points that lie farther out are shown farther out."""
        radii = torch.linspace(0, _FARTHEST, _RADII, dtype=torch.float64)
        falls = (radii * self._radial(radii)).diff() <= 0
        return float(radii[int(falls.to(torch.uint8).argmax())]) if bool(falls.any()) else math.inf
