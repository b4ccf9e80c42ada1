"""The shift between two images, from the phases of their spectra.

A shift multiplies a spectrum by a plane wave. The cross-power spectrum keeps only phases, so its inverse transform
is a sharp peak at the shift, whatever the brightness. The finest frequencies count least: there lie noise and the
aliases of sparse sampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.registration.impulses import without_impulses

__all__ = ["MIN_PHASE_SIZE", "Translation", "phase_correlation"]

MIN_PHASE_SIZE = 8
"""Shortest image side, in pixels, for which a shift is sought."""

_LARGEST_SHARE = 1 / 3  # of an image's side: larger shifts leave too little in common
_CUTOFF_CYCLES = 0.15  # per pixel: frequency at which the weight has fallen to exp(-1/2); Nyquist is 0.5
_PEAK_RADIUS = 5  # pixels around the peak that belong to it
_ZOOMS = ((1.5, 13), (0.25, 11), (0.05, 11))  # half width in pixels and number of points of ever finer grids


@dataclass(frozen=True)
class Translation:
    """A shift of a whole image: content at ``p`` of ``a`` is found at ``p + shift_yx`` of ``b``."""

    shift_yx: tuple[float, float]
    """Pixels, row displacement first."""
    confidence: float
    """1 − (second highest peak / highest peak), 0…1: about 0 for unrelated images, above 0.5 for a clear shift."""


def _taper(image: Tensor) -> Tensor:
    """Mean removed, and faded out to the borders, whose mutual jump would look like an unmoved edge."""
    for dim in (-2, -1):
        size = image.shape[dim]
        steps = torch.arange(size, device=image.device, dtype=image.dtype)
        window = torch.sin((steps + 0.5) * (math.pi / size)) ** 2
        window = window[:, None] if dim == -2 else window
        image = (image - (image * window).mean() / window.mean()) * window
    return image


def _cross_power(a: Tensor, b: Tensor) -> Tensor:
    """Weighted cross-power spectrum ``(H, W)``, complex."""
    cross = torch.fft.fft2(_taper(b)) * torch.fft.fft2(_taper(a)).conj()
    size = cross.abs()
    freq_y = torch.fft.fftfreq(a.shape[0], device=a.device, dtype=a.dtype)[:, None]
    freq_x = torch.fft.fftfreq(a.shape[1], device=a.device, dtype=a.dtype)
    weight = torch.exp(-0.5 * (freq_y**2 + freq_x**2) / _CUTOFF_CYCLES**2)
    spectrum: Tensor = cross / (size + 1e-3 * size.mean() + 1e-20) * weight
    return spectrum


def _whole_pixel_peak(cross: Tensor) -> tuple[int, int, float]:
    """``(dy, dx, confidence)`` of the highest peak within the largest shift."""
    surface = torch.fft.ifft2(cross).real
    distance = []
    for size in surface.shape:
        index = torch.arange(size, device=surface.device)
        distance.append(torch.where(index > size // 2, index - size, index))
    reach = [max(1, round(size * _LARGEST_SHARE)) for size in surface.shape]
    allowed = (distance[0].abs() <= reach[0])[:, None] & (distance[1].abs() <= reach[1])
    surface = torch.where(allowed, surface, torch.full_like(surface, -torch.inf))
    place = int(surface.argmax())
    row, col = divmod(place, surface.shape[1])
    dy, dx = int(distance[0][row]), int(distance[1][col])
    near = ((distance[0] - dy).abs() <= _PEAK_RADIUS)[:, None] & ((distance[1] - dx).abs() <= _PEAK_RADIUS)
    highest = float(surface[row, col])
    second = float(torch.where(near, torch.full_like(surface, -torch.inf), surface).max())
    if highest <= 0:
        return 0, 0, 0.0
    return dy, dx, min(1.0, max(0.0, 1 - max(second, 0.0) / highest))


def _fraction(cross: Tensor) -> tuple[float, float]:
    """The peak near no shift, by the transform at ever finer grids (Guizar-Sicairos et al. 2008)."""
    freq = [2j * math.pi * torch.fft.fftfreq(size, device=cross.device, dtype=cross.real.dtype) for size in cross.shape]
    centre = [0.0, 0.0]
    for half_width, points in _ZOOMS:
        steps = torch.linspace(-half_width, half_width, points, device=cross.device, dtype=cross.real.dtype)
        waves_y = torch.exp((steps + centre[0])[:, None] * freq[0])
        waves_x = torch.exp(freq[1][:, None] * (steps + centre[1]))
        surface = (waves_y @ cross @ waves_x).real
        row, col = divmod(int(surface.argmax()), points)
        centre = [centre[0] + float(steps[row]), centre[1] + float(steps[col])]
    return centre[0], centre[1]


def phase_correlation(a: Tensor, b: Tensor) -> Translation:
    """The shift of ``b`` against ``a``, both ``(H, W)`` floating-point on one device, 0…1.

    Finds shifts up to a third of each side, to some hundredths of a pixel. Brightness and contrast do not matter.
    The whole-pixel peak comes first (Kuglin & Hines 1975); what the two then have in common is compared again, and
    its peak located between pixels (Guizar-Sicairos et al. 2008). Images without texture, with values that are not
    finite, or with a side under `MIN_PHASE_SIZE` give no shift and confidence 0.
    """
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"images must be (H, W) and of one size, got {tuple(a.shape)} and {tuple(b.shape)}")
    nothing = Translation((0.0, 0.0), 0.0)
    if min(a.shape) < MIN_PHASE_SIZE:
        return nothing
    if not all(bool(torch.isfinite(t).all()) and float(t.max() - t.min()) > 1e-6 for t in (a, b)):
        return nothing
    a, b = (without_impulses(t.to(torch.promote_types(t.dtype, torch.float32)))[0] for t in (a, b))
    dy, dx, confidence = _whole_pixel_peak(_cross_power(a, b))
    height, width = a.shape
    part_a = a[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
    part_b = b[max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)]
    more_y, more_x = _fraction(_cross_power(part_a, part_b)) if confidence > 0 else (0.0, 0.0)
    return Translation((dy + more_y, dx + more_x), confidence)
