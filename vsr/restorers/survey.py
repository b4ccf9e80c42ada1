"""What the first frames of a shot tell of the camera: its blur."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vsr.observation import GaussianBlur
from vsr.registration import flow_pair
from vsr.restorers.reconstruction import Imaging, Neighbour, observe
from vsr.solvers.blind import estimate_psf

__all__ = ["SURVEY_FRAMES", "find_psf"]

SURVEY_FRAMES = 9
"""Frames of a shot that are looked at."""

_SCALE = 4  # of the grid on which the frames are fused to look at their edges
_MOST_SIDE = 192  # samples a side of the part that is looked at, in the middle
_BELIEVED_PX = 0.25  # less than that no camera has; text and other striking things look like it
_LEAST_PX, _MOST_PX = 0.38, 0.6  # blur of a video that multi-frame reconstruction can do something with


def _middle(luma: Tensor) -> Tensor:
    height, width = luma.shape
    top, left = max(0, (height - _MOST_SIDE) // 2), max(0, (width - _MOST_SIDE) // 2)
    return luma[top : top + _MOST_SIDE, left : left + _MOST_SIDE].contiguous()


def find_psf(lumas: Sequence[Tensor]) -> float | None:
    """Standard deviation of the blur of consecutive frames ``(h, w)``, 0…1, in their pixels; None if untold.

    The frames are registered to the middle one and fused without deblurring; see `vsr.solvers.blind`. Estimates
    under 0.25 pixels tell nothing; others are kept within 0.38 and 0.6 pixels, between which cameras lie: too narrow a
    blur leaves the grid of the samples in the picture.
    """
    parts = [_middle(luma) for luma in lumas]
    centre = parts.pop(len(parts) // 2)
    size_yx = (int(centre.shape[0]) * _SCALE, int(centre.shape[1]) * _SCALE)
    imaging = Imaging(size_yx, (float(_SCALE), float(_SCALE)), GaussianBlur(0.0, 0.0), 0.0)
    neighbours = []
    for other in parts:
        motion = flow_pair(other, centre)
        if motion is not None:
            neighbours.append(Neighbour(other, motion))
    observed, _ = observe(centre, neighbours, imaging)
    sigma = estimate_psf(observed, imaging.enlarged(centre))
    if sigma is None or sigma / _SCALE < _BELIEVED_PX:
        return None
    return min(_MOST_PX, max(_LEAST_PX, sigma / _SCALE))
