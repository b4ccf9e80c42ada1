"""Point-spread functions: what the image of a point of light looks like.

Each function gives a ``(h, w)`` float64 tensor of odd sizes, its middle the place of the point, whose values
sum to 1 (on the CPU; none is negative). Lengths are in high-resolution pixels. Angles are in degrees from
the x axis, counter-clockwise as seen (rows run downwards), as in MATLAB's ``fspecial``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["box_kernel", "disc_kernel", "gaussian_kernel", "motion_kernel"]

_REACH = 4.0  # of a Gaussian, in sigmas: 6e-5 of the light of each axis falls beyond
_POINT = 0.05  # sigmas below this (px) count as this: the next pixel would get under 1e-80
_ROUNDING = 1e-9  # light that reaches into a pixel by less than this (px) does not reach it


def _refuse(what: str, *values: float) -> None:
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise ValueError(f"{what} must be finite and not negative, got {', '.join(map(str, values))}")


def _offsets(radius: int) -> Tensor:
    """Pixel offsets −radius … radius."""
    return torch.arange(-radius, radius + 1, dtype=torch.float64)


def _reach_of(half_extent: float) -> int:
    """Radius in whole pixels of a kernel whose light ends ``half_extent`` from its centre."""
    return max(0, math.ceil(half_extent - 0.5 - _ROUNDING))


def gaussian_kernel(
    sigma_yx: tuple[float, float], *, angle_degrees: float = 0.0, radius_px: int | None = None
) -> Tensor:
    """Gaussian of standard deviation ``sigma_yx``, turned so that its x axis points along ``angle_degrees``.

    Values are those of the curve at pixel centres (as ``fspecial('gaussian')``), so sigmas under about half
    a pixel come out narrower than asked. It ends 4 sigmas from the centre along each axis, or after
    ``radius_px`` on all sides: 6 with sigma 1.6 is the 13×13 kernel of the literature.
    """
    _refuse("sigmas", *sigma_yx)
    across, along = (max(sigma, _POINT) for sigma in sigma_yx)
    angle = math.radians(angle_degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    if radius_px is None:
        radius_y = math.ceil(_REACH * math.hypot(sigma_yx[0] * cosine, sigma_yx[1] * sine) - _ROUNDING)
        radius_x = math.ceil(_REACH * math.hypot(sigma_yx[1] * cosine, sigma_yx[0] * sine) - _ROUNDING)
    else:
        _refuse("radius_px", radius_px)
        radius_y = radius_x = radius_px
    y, x = _offsets(radius_y)[:, None], _offsets(radius_x)[None, :]
    kernel = torch.exp(-0.5 * (((x * cosine - y * sine) / along) ** 2 + ((x * sine + y * cosine) / across) ** 2))
    return kernel / kernel.sum()


def _quarter_area(x: Tensor, y: Tensor, radius: float) -> Tensor:
    """Area of the disc within ``[0, x] × [0, y]``; odd in both, so differences give any rectangle."""

    def under_arc(t: Tensor) -> Tensor:
        return 0.5 * (t * (radius**2 - t**2).clamp(min=0).sqrt() + radius**2 * torch.asin((t / radius).clamp(-1, 1)))

    width, height = x.abs().clamp(max=radius), y.abs().clamp(max=radius)
    corner = torch.minimum((radius**2 - height**2).clamp(min=0).sqrt(), width)
    return x.sign() * y.sign() * (height * corner + under_arc(width) - under_arc(corner))


def disc_kernel(radius_px: float) -> Tensor:
    """Evenly lit disc: a lens out of focus. Each pixel weighs the area of the disc within it, exactly."""
    _refuse("radius_px", radius_px)
    radius = max(radius_px, 1e-6)
    reach = _reach_of(radius_px)
    edges = torch.arange(-reach, reach + 2, dtype=torch.float64) - 0.5
    corners = _quarter_area(edges[None, :], edges[:, None], radius)
    kernel = (corners[1:, 1:] - corners[1:, :-1] - corners[:-1, 1:] + corners[:-1, :-1]).clamp(min=0)
    return kernel / kernel.sum()


def motion_kernel(length_px: float, angle_degrees: float) -> Tensor:
    """Straight, evenly lit line through the centre: a camera that moves while the shutter is open.

    Each pixel weighs the length of the line within it, exactly; length 3 at 0 degrees is thirds on three
    pixels of a row.
    """
    _refuse("length_px", length_px)
    half, angle = max(length_px, 1e-6) / 2, math.radians(angle_degrees)
    step_x, step_y = math.cos(angle), -math.sin(angle)
    y = _offsets(_reach_of(half * abs(step_y)))[:, None]
    x = _offsets(_reach_of(half * abs(step_x)))[None, :]
    enter = torch.full((y.numel(), x.numel()), -half, dtype=torch.float64)
    leave = -enter
    for place, step in ((x, step_x), (y, step_y)):
        if abs(step) < 1e-12:
            continue  # parallel to this side of the pixels, and between their sides at 0 ± 0.5
        sides = (place - 0.5) / step, (place + 0.5) / step
        enter = torch.maximum(enter, torch.minimum(*sides))
        leave = torch.minimum(leave, torch.maximum(*sides))
    kernel = leave - enter
    kernel = torch.where(kernel > 1e-12, kernel, 0.0)  # where it only touches a corner, up to rounding
    return kernel / kernel.sum()


def box_kernel(width_yx: tuple[float, float]) -> Tensor:
    """Evenly lit rectangle: the light-collecting area of a sensor's pixel, of any fractional width.

    Each pixel weighs the area of the rectangle within it, exactly; widths up to 1 leave a point.
    """
    _refuse("widths", *width_yx)
    sides = []
    for width in width_yx:
        half = max(width, 1e-6) / 2
        place = _offsets(_reach_of(half))
        covered = ((place + 0.5).clamp(max=half) - (place - 0.5).clamp(min=-half)).clamp(min=0)
        sides.append(covered / covered.sum())
    return sides[0][:, None] * sides[1][None, :]
