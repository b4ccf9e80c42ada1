"""One image from the registered frames around it: robust inversion, motion refined and confidence renewed in turn.

Every round (1) predicts all samples from the last estimate, (2) refines the motion that misses them, (3) weights
each neighbourhood by how well it fits, and (4) lets the solver improve the estimate. Where neighbours cannot be
given weight only the frame's own samples count: one frame is sharpened, nothing ghosts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from vsr.kernels import kernel
from vsr.methods.interpolation import sampling_offset
from vsr.methods.reconstruction.weighing import ANCHORED, Weighing
from vsr.observation import (
    LinearOperator,
    ObservationModel,
    grid_positions,
    neighbourhood_mean,
    neighbourhood_range,
    resample,
)
from vsr.observation.resample import Kernel as ResamplingKernel
from vsr.registration import FlowPair, match_brightness, pixel_positions, sample_bicubic
from vsr.registration.flow import round_trip_error
from vsr.registration.refine import refining_steps
from vsr.solvers.base import Observations, residual_sigma
from vsr.solvers.confidence import RESIDUAL_BLUR, residual_confidence
from vsr.solvers.huber_btv import HuberBtvOptions, solve_huber_btv, weigh_samples

__all__ = [
    "Imaging",
    "Neighbour",
    "Reconstruction",
    "Start",
    "carried",
    "observe",
    "reconstruct",
    "registration_exponents",
    "square_off_grid",
    "video_solver",
]

_CONSISTENCY_PX = 0.5  # forward-backward miss at which confidence falls to 1/e
_MOTION_STEP_PX = 0.5  # change of motion between neighbouring samples at which confidence falls to 1/e
_MOST_RESIDUAL = 0.03  # of a neighbour laid on the frame, 0…1; more is another scene, not noise
_ABOVE_USUAL = 2.0  # times the usual residual that a frame may have and still be used
_REFINED_PX = 0.5  # of a frame's pixel: the farthest that refinement moves a sample at a time
_REFINING_HUBER = 2.0  # standard deviations of residual beyond which a sample moves its neighbourhood no harder
_STRIP_PIXELS = 1 << 21  # larger images are solved in strips of about this many pixels
_MARGIN_ROWS = 32  # shared with the next strip and thrown away: then strips differ no more at seams than elsewhere
_CARRIED_TOLERANCE = 1.0  # standard deviations of residual at which a carried estimate is given up
_CARRIED_CONTRAST = 0.05
_REPETITION_WINDOW = 3  # samples a side over which samples of one place are counted
_USUAL_PIXELS = 4.0  # a sample, at the ×2 for which weights of guesses are given; more share one sample's weight
_SAME_PLACE_PX = 0.15  # well above what motion errs by where it is sure, well below half a pixel

Solve = Callable[[Observations, Tensor], Tensor]


@dataclass(frozen=True)
class Imaging:
    """How samples come from the sought image."""

    size_yx: tuple[int, int]
    """Of the sought image."""
    scale_yx: tuple[float, float]
    """Its pixels per sample."""
    blur: LinearOperator
    """See `vsr.observation.reading_blur`."""
    offset_px: float
    """How far right of and below the centre of its block a sample sits, in samples."""

    def enlarged(self, plane: Tensor, kernel: ResamplingKernel = "lanczos") -> Tensor:
        """``plane`` ``(h, w)`` interpolated on the grid of the sought image."""
        offset_yx = (
            sampling_offset(self.offset_px, self.scale_yx[0]),
            sampling_offset(self.offset_px, self.scale_yx[1]),
        )
        return resample(plane, self.size_yx, kernel=kernel, scale_yx=self.scale_yx, offset_yx=offset_yx)

    def place(self, rows: Tensor, cols: Tensor) -> tuple[Tensor, Tensor]:
        """Positions in the frame, in pixel indices, as positions in the sought image."""
        shift = 0.5 + self.offset_px
        return (rows + shift) * self.scale_yx[0] - 0.5, (cols + shift) * self.scale_yx[1] - 0.5


@dataclass(frozen=True)
class Neighbour:
    """Another frame of the shot, registered to the one being restored."""

    luma: Tensor
    """``(h, w)``, 0…1."""
    motion: FlowPair
    """From it to the frame being restored, and back."""


@dataclass(frozen=True)
class Start:
    """Where a reconstruction begins."""

    image: Tensor
    """``(H, W)``, 0…1."""
    weight: Tensor | None = None
    """``(H, W)``, 0…1: confidence in it as a carried result, and its weight as a prior; None: no prior."""


@dataclass(frozen=True)
class Reconstruction:
    """A reconstructed image and what it rests on."""

    image: Tensor
    """``(H, W)`` float32, 0…1."""
    noise_sigma: float
    """Standard deviation of noise and misregistration of samples with weight, 0…1."""
    frames_used: float
    """Frames that a pixel rests on, averaged over the image; 1 is the frame alone."""
    confidence: float
    """Mean confidence in the samples of the neighbours, 0…1; 0 where there are none."""
    sample_spread_px: float
    """Mean distance of neighbours' samples with weight from the frame's own grid, in its pixels: 0 adds nothing."""


def _soften(residual: Tensor) -> Tensor:
    """Residuals ``(K, h, w)`` without what is finer than wrong motion leaves."""
    return RESIDUAL_BLUR.A(residual)


def _levels(soft_residual: Tensor) -> Tensor:
    """Standard deviation of most of each frame's residual, ``(K,)``, never 0."""
    return torch.tensor(
        [residual_sigma(frame) for frame in soft_residual], dtype=soft_residual.dtype, device=soft_residual.device
    )


def _registration_confidence(motion: FlowPair) -> Tensor:
    """Confidence in 0…1 from how well the two ways agree and how evenly things move, ``(h, w)``."""
    return registration_exponents(motion.forward, motion.backward, _CONSISTENCY_PX, _MOTION_STEP_PX).exp_()


@kernel("vsr.kernels.weighing")
def registration_exponents(forward: Tensor, backward: Tensor, consistency_px: float, step_px: float) -> Tensor:
    """Logarithm of the confidence in a motion, ``(h, w)``; −1 for a miss, or a change within 3×3, as large as given."""
    step = neighbourhood_range(forward).amax(0)
    return -((round_trip_error.reference(forward, backward) / consistency_px) ** 2) - (step / step_px) ** 2


def observe(
    luma: Tensor, neighbours: Sequence[Neighbour], imaging: Imaging, weighing: Weighing = ANCHORED
) -> tuple[Observations, Tensor]:
    """All samples with their places and first confidence, the frame's own ones first; and their local contrast."""
    size = (int(luma.shape[0]), int(luma.shape[1]))
    rows, cols = grid_positions(size, imaging.scale_yx, (imaging.offset_px, imaging.offset_px), device=luma.device)
    count = 1 + len(neighbours)
    frames, all_rows, all_cols, confidences, contrasts = (luma.new_empty(count, *size) for _ in range(5))
    frames[0], all_rows[0], all_cols[0], confidences[0] = luma, rows, cols, weighing.own_confidence
    contrasts[0] = neighbourhood_range(luma[None])[0]
    for number, neighbour in enumerate(neighbours, 1):
        at = pixel_positions(neighbour.motion.forward)
        expected = sample_bicubic(luma[None], *at)[0]
        confidence = _registration_confidence(neighbour.motion)
        match = match_brightness(expected, neighbour.luma, confidence)
        torch.mul(neighbour.luma, match.gain, out=frames[number]).add_(match.offset)
        soft_residual = _soften((expected - frames[number])[None])
        level = _levels(soft_residual).clamp_(max=_MOST_RESIDUAL)
        contrasts[number] = neighbourhood_range(frames[number : number + 1])[0]
        fits = residual_confidence(soft_residual, contrasts[number : number + 1], level)[0]
        torch.mul(confidence, fits, out=confidences[number])
        all_rows[number], all_cols[number] = imaging.place(*at)
    model = ObservationModel(imaging.size_yx, all_rows, all_cols, imaging.blur, imaging.scale_yx)
    return Observations(frames, model, confidences), contrasts


def _refine(
    model: ObservationModel, residual: Tensor, slopes_yx: tuple[Tensor, Tensor], weights: Tensor, sigma: float
) -> ObservationModel:
    """``model`` with neighbours' samples (all but the first frame's) moved to where they fit better."""
    limit = _REFINED_PX * max(model.scale_yx)
    bounded = weigh_samples(residual[1:], weights[1:], sigma, _REFINING_HUBER, math.inf)
    rows, cols = refining_steps(residual[1:], (slopes_yx[0][1:], slopes_yx[1][1:]), bounded, sigma, limit)
    still = torch.zeros_like(rows[:1])
    return model.moved(torch.cat([still, rows]), torch.cat([still, cols]))


@kernel("vsr.kernels.weighing")
def square_off_grid(rows: Tensor, cols: Tensor, scale_yx: tuple[float, float], offset_px: float) -> Tensor:
    """Squared distance of places in the sought image from the grid of a frame's samples, same shape, in its pixels."""
    squared = torch.zeros_like(rows)
    for places, scale in ((rows, scale_yx[0]), (cols, scale_yx[1])):
        own = (places + 0.5) / scale - 0.5 - offset_px
        squared += (own - own.round()).square_()
    return squared


def _neighbours_off_grid(model: ObservationModel, imaging: Imaging) -> Tensor:
    """`square_off_grid` of neighbours' samples, ``(K - 1, h, w)``."""
    return square_off_grid(model.rows[1:], model.cols[1:], imaging.scale_yx, imaging.offset_px)


def _sample_spread(model: ObservationModel, confidence: Tensor, imaging: Imaging) -> float:
    """See `Reconstruction.sample_spread_px`."""
    sample_weights = confidence[1:].sum()
    off_grid = _neighbours_off_grid(model, imaging).sqrt_()
    return float((confidence[1:] * off_grid).sum() / sample_weights) if float(sample_weights) > 0 else 0.0


def _repetition(observed: Observations, imaging: Imaging) -> Tensor:
    """How many times over samples say the same rather than something new, ``(H, W)``; 1 for a frame alone.

    Samples with weight at the places of the frame's own ones, over those in between; the frame itself counts in both.
    """
    confidence = observed.sample_weights()[1:]
    sameness = _neighbours_off_grid(observed.model, imaging).div_(-(_SAME_PLACE_PX**2)).exp_()
    same = sameness.mul_(confidence).sum(0)
    both = neighbourhood_mean(torch.stack([same, confidence.sum(0) - same]), _REPETITION_WINDOW)
    same, new = (imaging.enlarged(part, "bicubic").clamp_(min=0) for part in both)
    return (1 + same) / (1 + new)


def _in_strips(observed: Observations, x: Tensor, solve: Solve) -> Tensor:
    """``solve`` strip by strip, so that memory beyond the samples stays bounded."""
    height, width = x.shape
    strip = max(4 * _MARGIN_ROWS, _STRIP_PIXELS // int(width))
    if height <= strip + _MARGIN_ROWS:
        return solve(observed, x)
    parts = []
    for top in range(0, height, strip):
        first, last = max(0, top - _MARGIN_ROWS), min(height, top + strip + _MARGIN_ROWS)
        solved = solve(observed.strip(first, last), x[first:last].contiguous())
        parts.append(solved[top - first : top - first + strip])
    return torch.cat(parts)


def carried(previous: Tensor, motion: FlowPair, luma: Tensor, imaging: Imaging, enlarged: Tensor) -> Start:
    """The ``previous`` reconstruction ``(H, W)`` moved to the present; ``enlarged`` ``luma`` where that fails.

    ``motion`` leads from the present frame to the previous one, and back.
    """
    scale = torch.tensor(imaging.scale_yx, device=luma.device)[:, None, None]
    flow = torch.stack([imaging.enlarged(axis, "bicubic") for axis in motion.forward]) * scale
    moved = sample_bicubic(previous[None], *pixel_positions(flow))[0]
    rows, cols = grid_positions(
        (int(luma.shape[0]), int(luma.shape[1])),
        imaging.scale_yx,
        (imaging.offset_px, imaging.offset_px),
        device=luma.device,
    )
    own = ObservationModel(imaging.size_yx, rows[None], cols[None], imaging.blur, imaging.scale_yx)
    confidence = _registration_confidence(motion)
    samples = own.A(moved)
    match = match_brightness(luma, samples[0], confidence)
    soft_residual = _soften((luma - match.apply(samples)) * own.inside)  # blur keeps constants
    fits = residual_confidence(
        soft_residual,
        neighbourhood_range(luma[None]),
        _levels(soft_residual),
        tolerance=_CARRIED_TOLERANCE,
        contrast_share=_CARRIED_CONTRAST,
    )
    weight = imaging.enlarged(confidence.mul_(fits[0]), "bicubic").clamp_(0, 1)
    return Start(torch.lerp(enlarged, match.apply(moved), weight), weight)


@dataclass(frozen=True)
class _Expectations:
    """What the image is expected to be, besides what the samples say."""

    guess: Tensor | None
    guess_weight: Tensor | None
    """``(H, W)``; goes with ``guess``."""
    start: Start
    weighing: Weighing

    def at(self, sigma: float) -> tuple[Tensor | None, Tensor | None]:
        """The expected image and its weight, ``(H, W)``, where the samples' noise is ``sigma``; None: nothing is."""
        weight = self.start.weight if self.weighing.carried_weight else None
        carried = None if weight is None else self.weighing.carried_weight * sigma * sigma * weight
        if self.guess is None or self.guess_weight is None:
            return (None, None) if carried is None else (self.start.image, carried)
        if carried is None:
            return self.guess, self.guess_weight
        both = carried + self.guess_weight
        return torch.lerp(self.guess, self.start.image, carried / both), both


def _expectations(
    guess: Tensor | None, start: Start, weighing: Weighing, observed: Observations, imaging: Imaging
) -> _Expectations:
    """``guess`` counts as often as samples repeat one another; where nothing is expected that is not looked at."""
    if guess is None or not weighing.guess_weight:
        return _Expectations(None, None, start, weighing)
    share = _USUAL_PIXELS / (imaging.scale_yx[0] * imaging.scale_yx[1])
    if not weighing.shares_guess:
        share = max(1.0, share)
    weight = weighing.guess_weight * share * _repetition(observed, imaging)
    return _Expectations(guess, weight, start, weighing)


def reconstruct(
    luma: Tensor,
    neighbours: Sequence[Neighbour],
    start: Start,
    imaging: Imaging,
    solve: Solve,
    *,
    rounds: int,
    unrefined_rounds: int,
    guess: Tensor | None = None,
    weighing: Weighing = ANCHORED,
    half: bool = False,
) -> Reconstruction:
    """The image behind ``luma`` ``(h, w)`` and its ``neighbours``.

    ``solve`` improves an estimate given observations, in half precision where it can if ``half``; it is called
    ``rounds`` times. Motion is refined from round
    ``unrefined_rounds`` on, if ``weighing`` has it so: the first estimate of a cold start is too coarse to correct it.
    Where ``start`` holds what earlier frames showed, it is an observation too, of little weight: it counts where the
    frames say little, and more the noisier they are. So is ``guess`` ``(H, W)``, what the frame alone lets expect, with
    the weight that ``weighing`` gives it. Values 0…1, float32. Deterministic on one kind of device.
    """
    observed, contrast = observe(luma, neighbours, imaging, weighing)
    registered, x, model = observed.confidence, start.image, observed.model
    assert registered is not None
    expectations = _expectations(guess, start, weighing, observed, imaging)
    confidence, sigma = registered, 0.0
    for number in range(rounds):
        blurred = model.blur.A(x)
        if weighing.refines_motion and number >= unrefined_rounds and neighbours:
            residual, *slopes = model.residual_with_slopes(blurred, observed.frames)
            model = _refine(model, residual, (slopes[0], slopes[1]), registered, residual_sigma(residual, confidence))
        residual = model.residual(blurred, observed.frames)
        soft_residual = _soften(residual)
        levels = _levels(soft_residual)
        usual = _ABOVE_USUAL * levels.median()
        fits = residual_confidence(soft_residual, contrast, levels.clamp(max=usual))
        fits[0] = 1.0
        confidence = fits.mul_(registered)
        sigma = residual_sigma(residual, confidence)
        expected, weight = expectations.at(sigma)
        known = replace(
            observed,
            model=model,
            confidence=confidence,
            noise_sigma=sigma,
            expected=expected,
            expected_weight=weight,
            start_residual=residual,
            half=half,
        )
        x = _in_strips(known, x, solve)
    mean_confidence = float(confidence[1:].mean()) if neighbours else 0.0
    used = 1.0 + len(neighbours) * mean_confidence
    return Reconstruction(x, sigma, used, mean_confidence, _sample_spread(model, confidence, imaging))


_PRIOR_RADIUS, _PRIOR_ALPHA = 1, 0.6  # with many frames a wider prior only costs time


def video_solver(weighing: Weighing, *, regularization: float = 1.0, cg_iterations: int = 8) -> Solve:
    """`solve_huber_btv` for frames weighted as ``weighing`` says, with ``cg_iterations`` steps a round."""
    options = HuberBtvOptions(
        regularization=regularization,
        defect=weighing.defect,
        radius=_PRIOR_RADIUS,
        alpha=_PRIOR_ALPHA,
        outer_iterations=1,
        cg_iterations=cg_iterations,
    )
    return partial(solve_huber_btv, options=options)
