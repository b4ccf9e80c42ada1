"""What the first frames of a shot tell: the camera's blur, what single frames are worth, how much fine detail is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from vsr.methods.reconstruction.reconstruct import Imaging, Neighbour, Start, observe, reconstruct, video_solver
from vsr.methods.reconstruction.weighing import ANCHORED, EVEN, Weighing
from vsr.observation import GaussianBlur, LinearOperator, mean_blur, reading_blur, resample
from vsr.registration import FlowPair, flow_pair, global_then_dense
from vsr.solvers.blind import estimate_psf

__all__ = [
    "CALIBRATION_FRAMES",
    "calibrate_shot",
    "choose_weighing",
    "find_psf",
    "fine_detail",
    "is_at_rest",
    "likely_blur",
    "measure_psf",
]

CALIBRATION_FRAMES = 9
"""Frames of a shot that are looked at."""

_SCALE = 4  # of the grid on which the frames are fused to look at their edges
_MOST_SIDE = 192  # samples a side of the part that is looked at, in the middle
_CONFIDENT_PX = 0.25  # less than that no camera has; text and other striking things look like it
_LEAST_PX, _MOST_PX = 0.38, 0.6  # blur of a video that multi-frame reconstruction can do something with
_SHARPER_THAN_BICUBIC_PX = 0.25  # a blur that small, of an input pixel, no resampling leaves
_AS_BICUBIC_PX = 0.37
_MOST_BICUBIC = 0.4  # of a blur that is only guessed; costs 0.1 dB where it was a Gaussian, saves 0.4 where it was not
_DETAIL_SIDE = 512  # samples a side of the part whose detail is looked at
_REST_PX = 0.2  # motion over half of the frames looked at below which nothing new is sampled
_REST_SHARE = 0.25  # of what is textured; before a fixed camera all else may move
_TRIAL_SCALE = 2
_TRIAL_SIDE = 128  # samples a side of the part that is tried
_TRIAL_ROUNDS = 5
_USUAL_PSF_PX = 0.45
_CONTRAST = 0.1  # local range, 0…1, from which a sample tells something
_LEAST_SAMPLES = 200
_LEAST_RESIDUAL = 1.0 / 255  # under that either way will do
_MUCH_BETTER = 0.89  # residual of one way over the other's from which it is taken


def _middle(luma: Tensor, side: int) -> Tensor:
    height, width = luma.shape
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return luma[top : top + side, left : left + side].contiguous()


def likely_blur(psf_sigma_px: float, scale_yx: tuple[float, float]) -> LinearOperator:
    """Blur of unknown origin and of about ``psf_sigma_px``, in output pixels, for reading at ``scale_yx``.

    Much video was shrunk or sharpened on its way, which a Gaussian is not: half-way between is near to both.
    """
    bicubic = (psf_sigma_px - _SHARPER_THAN_BICUBIC_PX) / (_AS_BICUBIC_PX - _SHARPER_THAN_BICUBIC_PX)
    gaussian = reading_blur((psf_sigma_px * scale_yx[0], psf_sigma_px * scale_yx[1]), scale_yx)
    return mean_blur(gaussian, reading_blur(None, scale_yx), _MOST_BICUBIC * min(1.0, max(0.0, bicubic)))


def measure_psf(lumas: Sequence[Tensor]) -> float | None:
    """Standard deviation of the blur of consecutive frames ``(h, w)``, 0…1, in their pixels; None if unknown.

    The frames are registered to the middle one and fused without deblurring; see `vsr.solvers.blind`.
    """
    parts = [_middle(luma, _MOST_SIDE) for luma in lumas]
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
    return None if sigma is None else sigma / _SCALE


def find_psf(lumas: Sequence[Tensor]) -> float | None:
    """As `measure_psf`, within what reconstruction can do something with.

    Estimates under 0.25 pixels tell nothing; others are kept within 0.38 and 0.6 pixels, between which cameras lie:
    too narrow a blur leaves the grid of the samples in the image.
    """
    sigma = measure_psf(lumas)
    return None if sigma is None or sigma < _CONFIDENT_PX else min(_MOST_PX, max(_LEAST_PX, sigma))


def fine_detail(lumas: Sequence[Tensor]) -> float:
    """Root mean square, in codes of 255, of what frames ``(h, w)`` in 0…1 lose when they are halved and enlarged again.

    Photographs look alike at all scales, so about as much is to be found beyond the frames' own samples.
    """
    parts = [_middle(luma, _DETAIL_SIDE) for luma in lumas]
    lost = [(part - resample(_halve(part), (part.shape[0], part.shape[1]))).square().mean() for part in parts]
    return 255 * math.sqrt(float(torch.stack(lost).mean()))


def is_at_rest(lumas: Sequence[Tensor]) -> bool:
    """Whether consecutive frames ``(h, w)``, 0…1, are those of a camera that stands still.

    A quarter of what is textured has to be where it was, from the first frame to the last.
    """
    parts = [_middle(luma, _DETAIL_SIDE) for luma in lumas]
    centre = parts.pop(len(parts) // 2)
    slopes = torch.stack(torch.gradient(GaussianBlur(1.0, 1.0).A(centre))).square().sum(0)
    textured = slopes >= slopes.median()
    for part in parts:
        motion = flow_pair(part, centre, detail="coarse")
        if motion is None or float(motion.forward.norm(dim=0)[textured].quantile(_REST_SHARE)) >= _REST_PX:
            return False
    return len(parts) > 0


def _halve(luma: Tensor) -> Tensor:
    return resample(luma, (max(1, luma.shape[0] // 2), max(1, luma.shape[1] // 2)), kernel="bicubic")


def choose_weighing(lumas: Sequence[Tensor], psf_sigma_px: float | None) -> Weighing:
    """Which of `ANCHORED` and `EVEN` predicts frames better that it has not seen.

    The middle one of consecutive ``lumas`` ``(h, w)``, 0…1, is reconstructed both ways without its two nearest
    neighbours, and these are predicted from the result. Where the second way misses their contrasty samples by much
    less, frames are too aliased, or sharpened too much, to be relied on one by one.
    """
    parts = _trial_parts(lumas)
    return _try(parts, _motions_to_middle(parts), psf_sigma_px)


def calibrate_shot(lumas: Sequence[Tensor], known_psf_px: float | None = None) -> tuple[float | None, Weighing]:
    """What `find_psf` finds, unless the blur is known, and `choose_weighing`; partly side by side."""
    parts = _trial_parts(lumas)
    with ThreadPoolExecutor(1, thread_name_prefix="calibration") as pool:
        motions = pool.submit(_motions_to_middle, parts)
        found = find_psf(lumas) if known_psf_px is None else None
        return found, _try(parts, motions.result(), found if known_psf_px is None else known_psf_px)


def _trial_parts(lumas: Sequence[Tensor]) -> list[Tensor]:
    return [_middle(luma, _TRIAL_SIDE) for luma in lumas]


def _motions_to_middle(parts: Sequence[Tensor]) -> dict[int, FlowPair]:
    """Motion from each image that can be registered to the middle one, and back, by number."""
    middle = len(parts) // 2
    found = {n: global_then_dense(part, parts[middle]) for n, part in enumerate(parts) if n != middle}
    return {n: motion for n, motion in found.items() if motion is not None}


def _try(parts: Sequence[Tensor], motions: Mapping[int, FlowPair], psf_sigma_px: float | None) -> Weighing:
    middle = len(parts) // 2
    held_out, seen = (
        [Neighbour(parts[n], motion) for n, motion in motions.items() if (abs(n - middle) == 1) is is_next]
        for is_next in (True, False)
    )
    if not held_out or not seen:
        return ANCHORED
    height, width = (int(side) for side in parts[middle].shape)
    scale_yx = (float(_TRIAL_SCALE), float(_TRIAL_SCALE))
    blur = likely_blur(_USUAL_PSF_PX if psf_sigma_px is None else psf_sigma_px, scale_yx)
    imaging = Imaging((height * _TRIAL_SCALE, width * _TRIAL_SCALE), scale_yx, blur, 0.0)
    usual, even = (_residual(parts[middle], seen, held_out, imaging, way) for way in (ANCHORED, EVEN))
    return EVEN if usual > _LEAST_RESIDUAL and even < _MUCH_BETTER * usual else ANCHORED


def _residual(
    luma: Tensor, seen: Sequence[Neighbour], held_out: Sequence[Neighbour], imaging: Imaging, weighing: Weighing
) -> float:
    """Mean absolute residual, 0…1, of contrasty samples of ``held_out``; 0 where there are hardly any."""
    observed, contrast = observe(luma, held_out, imaging)
    assert observed.confidence is not None
    weights = observed.confidence[1:] * (contrast[1:] > _CONTRAST)
    total = float(weights.sum())
    if total < _LEAST_SAMPLES:
        return 0.0
    made = reconstruct(
        luma,
        seen,
        Start(imaging.enlarged(luma)),
        imaging,
        video_solver(weighing),
        rounds=_TRIAL_ROUNDS,
        unrefined_rounds=1,
        weighing=weighing,
    )
    return float((observed.residual(made.image)[1:].abs() * weights).sum()) / total
