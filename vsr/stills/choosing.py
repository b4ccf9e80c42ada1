"""Which frames a still is made from: how sharp each shows the region, and how well it was registered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.observation import GaussianBlur
from vsr.registration import Registration, reject_frames
from vsr.stills.boxes import Box, move_points
from vsr.stills.tracking import Sighting

__all__ = ["Candidate", "choose", "frame_noise", "sharpnesses", "slopes"]

_SMOOTH = GaussianBlur(1.0, 1.0)
_SLOPE_OF_NOISE = 0.159  # standard deviation of central differences of white noise of 1, seen through `_SMOOTH`
_TELLING = 0.3  # of the slopes in the other direction: less tells nothing of blur
_LEAST_SHARPNESS = 0.7  # of the frames' usual: less was shaken or out of focus
_USUAL_PX = 0.25  # deviation of registration at which a frame counts half
_NOISE_STEP = 4  # every so many rows and columns tell a frame's noise


@dataclass(frozen=True)
class Candidate:
    """What is known of a frame before the still is made."""

    number: int
    """Place in the window."""
    registration: Registration
    steps: int
    """Registrations that were composed."""
    sharpness: float
    """Of the region there; 1 is usual among the frames. 0 where it was not seen."""
    reason: str
    """Why it is left out; empty for frames that are used."""

    @property
    def is_used(self) -> bool:
        """Whether the still is made from it."""
        return not self.reason


def frame_noise(luma: Tensor, *, step: int = _NOISE_STEP) -> float:
    """Standard deviation of the noise of ``luma`` ``(h, w)``, 0…1, from every ``step``-th row and column.

    Immerkær 1996, with a median against edges. 0 for images of less than 3×3.
    """
    middle = luma[1:-1, 1:-1]
    cross = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    corners = luma[:-2, :-2] + luma[:-2, 2:] + luma[2:, :-2] + luma[2:, 2:]
    residual = (4 * middle - 2 * cross + corners)[::step, ::step].abs()
    return 1.4826 * float(residual.median()) / 6 if residual.numel() else 0.0


def slopes(luma: Tensor, box: Box) -> tuple[float, float]:
    """Root mean square slopes down and across of ``luma`` ``(h, w)`` in ``box``, per pixel, less what noise adds."""
    smooth = _SMOOTH.A(luma)
    slope_y, slope_x = torch.zeros_like(smooth), torch.zeros_like(smooth)
    slope_y[1:-1] = (smooth[2:] - smooth[:-2]) / 2
    slope_x[:, 1:-1] = (smooth[:, 2:] - smooth[:, :-2]) / 2
    noise = (_SLOPE_OF_NOISE * frame_noise(luma)) ** 2
    down, across = (math.sqrt(max(0.0, float(box.of(s).square().mean()) - noise)) for s in (slope_y, slope_x))
    return down, across


def sharpnesses(found: Sequence[tuple[float, float] | None]) -> list[float]:
    """How sharp frames with these `slopes` are, 1 is usual; 0 for None.

    The direction that lost more counts, for motion blurs one alone, unless there is little to see in it.
    """
    seen = [pair for pair in found if pair is not None]
    usual = [sorted(pair[axis] for pair in seen)[len(seen) // 2] if seen else 0.0 for axis in (0, 1)]
    axes = [axis for axis in (0, 1) if usual[axis] > _TELLING * max(usual)]
    return [0.0 if pair is None else min((pair[axis] / usual[axis] for axis in axes), default=1.0) for pair in found]


def _place_of(box: Box, matrix: Tensor, size_yx: tuple[int, int]) -> Box:
    """The upright box around where ``matrix`` puts ``box``, as far as the frame goes."""
    corners = box.corners()
    x, y = move_points(matrix, corners[0], corners[1])
    left, top = max(0, math.floor(float(x.min()))), max(0, math.floor(float(y.min())))
    right, bottom = min(size_yx[1], math.ceil(float(x.max())) + 1), min(size_yx[0], math.ceil(float(y.max())) + 1)
    return Box(left, top, max(1, right - left), max(1, bottom - top))


def choose(
    lumas: Sequence[Tensor],
    sightings: Sequence[Sighting],
    repeats: Sequence[int | None],
    reference: int,
    box: Box,
    most: int,
) -> list[Candidate]:
    """Judge every frame of the window; at most ``most`` are used, the reference always.

    Left out are frames in which the region was not found or looks otherwise, that repeat an earlier frame
    (``repeats`` names it), in which the region is much less sharp than usual, and then those that promise least:
    sharpness, less for uncertain registration, decides.
    """
    size = (int(lumas[reference].shape[0]), int(lumas[reference].shape[1]))
    shown = sharpnesses(
        [
            slopes(luma, _place_of(box, sighting.registration.matrix, size))
            if sighting.registration.converged
            else None
            for luma, sighting in zip(lumas, sightings, strict=True)
        ]
    )
    judged = reject_frames(
        [sighting.registration for sighting in sightings], noise_floor=max(frame_noise(luma) for luma in lumas)
    )
    reasons = []
    for number, rejection in enumerate(judged):
        reason = rejection.reason
        if not reason and repeats[number] is not None:
            reason = f"it repeats frame {repeats[number]}"
        if not reason and shown[number] < _LEAST_SHARPNESS:
            reason = f"the region is blurred: {shown[number]:.2f} of the usual sharpness"
        reasons.append("" if number == reference else reason)
    worth = [
        shown[n] / (1 + (sighting.registration.deviation_px / _USUAL_PX) ** 2) for n, sighting in enumerate(sightings)
    ]
    worth[reference] = math.inf
    good = sorted((n for n, reason in enumerate(reasons) if not reason), key=lambda n: (-worth[n], n))
    for number in good[most:]:
        reasons[number] = f"{most} others promise more"
    return [
        Candidate(n, sighting.registration, sighting.steps, shown[n], reasons[n])
        for n, sighting in enumerate(sightings)
    ]
