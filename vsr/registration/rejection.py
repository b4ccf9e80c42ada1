"""Which frames of a window to leave out, and whether the camera moved enough to show anything new."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.registration.transform import Registration

__all__ = ["Rejection", "StillCamera", "reject_frames", "stands_still"]

_LARGEST_RATIO = 2.0
_TOLERANCE_PX = 0.05


@dataclass(frozen=True)
class Rejection:
    """What to do with one frame of a window."""

    rejected: bool
    """Whether to leave it out."""
    reason: str = ""
    """Empty for frames that are kept, else one sentence."""


@dataclass(frozen=True)
class StillCamera:
    """Whether all frames sampled the scene at the same places."""

    still: bool
    """True: more frames lower the noise, but add no detail."""
    reason: str = ""
    """Empty for a camera that moved, else one sentence to show to the user."""


def reject_frames(registrations: Sequence[Registration], *, noise_floor: float) -> list[Rejection]:
    """Says of each registration to the window's reference whether its frame should be left out.

    Left out are frames that could not be registered, and those whose `Registration.residual` is over twice the
    window's median, counted from ``noise_floor`` (standard deviation of noise, 0…1): differences within the noise
    are never a reason. Where most frames are bad, the median is too: the caller's reference is then the odd one.
    """
    found = [r.residual for r in registrations if r.converged and math.isfinite(r.residual)]
    median = float(torch.tensor(found, dtype=torch.float64).median()) if found else math.inf
    limit = _LARGEST_RATIO * max(median, noise_floor)
    return [_judge(registration, limit) for registration in registrations]


def _judge(registration: Registration, limit: float) -> Rejection:
    if not registration.converged:
        return Rejection(True, f"the frame could not be registered: {registration.reason}")
    if not registration.residual <= limit:
        return Rejection(True, f"the frame differs by {registration.residual:.3f} where {limit:.3f} is allowed")
    return Rejection(False)


def stands_still(motions: Tensor, *, tolerance_px: float = _TOLERANCE_PX) -> StillCamera:
    """Whether a window's frames fall on the same places of the pixel grid.

    ``motions`` are those between the reference and each other frame, in pixels: ``(K, 2)`` translations or
    ``(K, 2, H, W)`` flows, of which half the pixels decide. Whole pixels do not count: a camera that moves by exactly
    one pixel samples the scene where it did before. True if no frame is off by more than ``tolerance_px`` in y or x;
    K may be 0.
    """
    if motions.ndim not in (2, 4) or motions.shape[1] != 2:
        raise ValueError(f"motions must be (K, 2) or (K, 2, H, W), got {tuple(motions.shape)}")
    fraction = (motions - motions.round()).abs().amax(1)
    off_px = fraction.flatten(1).median(1).values if fraction.ndim == 3 else fraction
    if bool((off_px > tolerance_px).any()):
        return StillCamera(False)
    return StillCamera(
        True,
        f"the camera stands still to {tolerance_px:g} pixels: frames add no detail, only noise and blur can be reduced",
    )
