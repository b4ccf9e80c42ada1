"""How far an image can be enlarged before nothing more is recorded (after Lin and Shum 2004)."""

from __future__ import annotations

import math

__all__ = ["supported_scale"]

_DETAIL_CONTRAST = 0.1  # amplitude of fine detail before the blur, 0…1
_REGISTRATION_PX = 0.05  # error of dense motion between real frames


def supported_scale(psf_sigma_px: float, noise_sigma: float, frames: float) -> float:
    """Magnification up to which detail of 0.1 amplitude rises above the noise of ``frames`` averaged frames.

    Blur and registration error (0.05 px is assumed) leave ``exp(-2 pi² (sigma² + 0.05²) f²)`` of a wave of ``f``
    cycles per input pixel. The largest f at which that, times the contrast, exceeds ``noise_sigma / sqrt(frames)``,
    needs ``2 f`` output pixels per input pixel. ``psf_sigma_px`` in input pixels, ``noise_sigma`` in 0…1. At least 1.
    """
    if not (psf_sigma_px >= 0 and noise_sigma > 0 and frames >= 1):
        raise ValueError(f"blur {psf_sigma_px}, noise {noise_sigma} and frames {frames} must be positive")
    visible = math.log(max(1.0, _DETAIL_CONTRAST * math.sqrt(frames) / noise_sigma))
    spread = 2 * math.pi**2 * (psf_sigma_px**2 + _REGISTRATION_PX**2)
    return max(1.0, 2 * math.sqrt(visible / spread))
