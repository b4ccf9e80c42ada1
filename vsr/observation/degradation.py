"""The degradations that published figures are measured with, and what a reconstruction must assume of each.

`simulate` makes low-resolution (LR) images as the literature makes them; `degradation_at` says by which
Gaussian and at which places a reconstruction best describes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from torch import Tensor

from vsr.errors import nearest
from vsr.observation.convolution import KernelBlur
from vsr.observation.decimation import Antialiased, Decimation, decimated_size
from vsr.observation.kernels import gaussian_kernel
from vsr.observation.operator import Composed, LinearOperator

__all__ = ["DEGRADATIONS", "Degradation", "blur_radius", "degradation_at", "degradation_operator", "simulate"]

_LEAST_RADIUS_PX = 6  # the literature's 13×13 kernel at ×4
_REACH = 3.5  # sigmas; 6 px for sigma 1.6


@dataclass(frozen=True)
class Degradation:
    """How LR samples come from the scene, in LR pixels."""

    name: str
    """Key in `DEGRADATIONS`."""
    psf_sigma_px: float
    """Standard deviation, in LR pixels, of the Gaussian that stands for lens and pixel together."""
    offset_px: float
    """How far right of and below the centre of its block of high-resolution pixels a sample sits, in LR pixels."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.psf_sigma_px) and self.psf_sigma_px >= 0 and math.isfinite(self.offset_px)):
            raise ValueError(f"sigma must be finite and not negative, the offset finite, got {self}")


def _bi(scale: float) -> Degradation:
    """Antialiased bicubic, MATLAB's ``imresize``; samples at block centres.

    The second moment of Keys' cubic is 0 (it reproduces parabolas), so matching moments gives no blur at all.
    Matching its frequency response does: equal half-amplitude frequency gives sigma 0.377, least squares
    weighted by an image's 1/f² spectrum 0.35 to 0.36, and the best fit to photographs, read exactly at the
    sample places, 0.345. Hence 0.36.
    """
    return Degradation("BI", 0.36, 0.0)


def _bd(scale: float) -> Degradation:
    """Gaussian of sigma 1.6 at ×4 (0.4 LR pixels at any scale), then ``[::s]``."""
    return Degradation("BD", 0.4, -(scale - 1) / (2 * scale))


def _camera(scale: float) -> Degradation:
    """A lens and a pixel, sampled at block centres."""
    return Degradation("camera", 0.45, 0.0)


DEGRADATIONS: Mapping[str, Callable[[float], Degradation]] = MappingProxyType({"BI": _bi, "BD": _bd, "camera": _camera})
"""What is known of each degradation at a scale (high-resolution pixels per LR pixel), by name."""


def degradation_at(name: str, scale: float | Fraction) -> Degradation:
    """The preset ``name`` of `DEGRADATIONS` at ``scale``; ValueError for an unknown name or a scale under 1."""
    if name not in DEGRADATIONS:
        raise ValueError(f"no degradation {name!r}; there are {', '.join(DEGRADATIONS)}{nearest(name, DEGRADATIONS)}")
    if not (math.isfinite(scale) and scale >= 1):
        raise ValueError(f"a degradation's scale is a number from 1, got {scale}")
    return DEGRADATIONS[name](float(scale))


def blur_radius(sigma_px: float) -> int:
    """Pixels at which a degradation's Gaussian is cut: no nearer than 3.5 sigmas or 6 pixels (13×13)."""
    return max(_LEAST_RADIUS_PX, math.ceil(_REACH * sigma_px))


def degradation_operator(size_yx: tuple[int, int], name: str, scale: float | Fraction) -> LinearOperator:
    """The operator D B with which `simulate` degrades images ``(..., *size_yx)``.

    BI is antialiased bicubic resampling itself; the others blur with the Gaussian of the preset, cut no
    nearer than 3.5 sigmas or 6 pixels (13×13), and take samples at the preset's places. Results have
    `decimated_size`. Border: mirrored about the edge.
    """
    preset, scales = degradation_at(name, scale), (scale, scale)
    if name == "BI":
        factor = 1 / float(scale)
        return Antialiased(size_yx, decimated_size(size_yx, scales), scale_yx=(factor, factor))
    sigma = preset.psf_sigma_px * float(scale)
    radius = blur_radius(sigma)
    offset = preset.offset_px * float(scale)
    return Composed(
        Decimation(size_yx, scales, offset_yx=(offset, offset)),
        KernelBlur(gaussian_kernel((sigma, sigma), radius_px=radius)),
    )


def simulate(image: Tensor, name: str, scale: float | Fraction) -> Tensor:
    """``image`` ``(..., H, W)``, float32 or float64 in any units, degraded by ``name`` of `DEGRADATIONS`.

    No noise, no rounding, no clipping. Sizes that are no multiple of the scale round up; the literature crops
    them first.
    """
    return degradation_operator((int(image.shape[-2]), int(image.shape[-1])), name, scale).A(image)
