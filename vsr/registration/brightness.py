"""Differences of brightness between frames: film flicker, auto-exposure, fades."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.kernels import kernel

__all__ = ["BrightnessMatch", "fit_brightness", "match_brightness"]

_MOST_STEPS = 10
_CONVERGED = 1e-4  # change of gain and offset that ends the iteration
_ENOUGH_PIXELS = 1 << 12  # of a large image, evenly thinned
_GAIN_LIMIT = 1.6
_MIN_SPREAD = 4e-3  # standard deviation below which an image tells nothing about gain


@dataclass(frozen=True)
class BrightnessMatch:
    """``gain * other + offset`` has the brightness of the reference. 0-d float tensors."""

    gain: Tensor
    """Factor."""
    offset: Tensor
    """Sum, in the images' units (0…1)."""

    def apply(self, other: Tensor) -> Tensor:
        """``other`` brought to the reference's brightness."""
        return other * self.gain + self.offset


def match_brightness(reference: Tensor, other: Tensor, weights: Tensor) -> BrightnessMatch:
    """Robust line through corresponding pixels: iteratively re-weighted least squares (Geman-McClure).

    ``reference`` and ``other`` show the same content pixel by pixel (one warped onto the other), any one
    shape, range 0…1; ``weights`` ≥ 0 is the confidence of each pixel. Flat ones get an offset only.
    """
    step = max(1, reference.numel() // _ENOUGH_PIXELS)
    ref, oth, confidence = (t.reshape(-1)[::step] for t in (reference, other, weights))
    return BrightnessMatch(*fit_brightness(ref, oth, confidence, _MOST_STEPS, _CONVERGED, _GAIN_LIMIT, _MIN_SPREAD))


@kernel("vsr.kernels.weighing")
def fit_brightness(
    reference: Tensor, other: Tensor, weights: Tensor, most_steps: int, converged: float, limit: float, spread: float
) -> tuple[Tensor, Tensor]:
    """Gain and offset, 0-d, of `match_brightness` from pixels ``(N,)``.

    Steps end after ``most_steps``, or where they change both by less than ``converged``. The gain lies within a factor
    ``limit`` of 1, and is 1 where ``other`` has a standard deviation under ``spread``.
    """
    ref, oth, confidence = (t.to(torch.float64) for t in (reference, other, weights))
    gain = torch.ones_like(ref[:1])[0]
    offset = (ref - oth)[confidence > 0].median() if bool((confidence > 0).any()) else torch.zeros_like(gain)
    for _ in range(most_steps):
        before = torch.stack([gain, offset])
        residual = (ref - gain * oth - offset).abs()
        scale = 1.4826 * residual.median() + 1e-3
        weight = confidence / (1 + (residual / (2 * scale)) ** 2) ** 2
        total = weight.sum().clamp(min=1e-9)
        mean_r, mean_o = (weight * ref).sum() / total, (weight * oth).sum() / total
        centred = oth - mean_o
        variance = (weight * centred * centred).sum() / total
        slope = (weight * centred * (ref - mean_r)).sum() / total / variance.clamp(min=1e-12)
        slope = torch.where(variance < spread**2, torch.ones_like(slope), slope)
        gain = slope.clamp(1 / limit, limit)
        offset = mean_r - gain * mean_o
        if bool((torch.stack([gain, offset]) - before).abs().max() < converged):
            break
    empty = confidence.sum() < 1e-6
    gain = torch.where(empty, torch.ones_like(gain), gain)
    offset = torch.where(empty, torch.zeros_like(offset), offset)
    return gain.to(reference.dtype), offset.to(reference.dtype)
