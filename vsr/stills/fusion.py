"""One image from the chosen frames: image, motions, brightness and confidence improved in turn.

Every round takes a step towards the image with the default solver, predicts all samples from it, moves each frame to
where it fits better, matches its brightness, and weights each neighbourhood by how well it fits. All frames count
alike, whatever their place, except that the reference keeps its weight where the others do not agree with the image:
there one frame is sharpened, and nothing ghosts. Large regions are solved in parts; what concerns whole frames is added
up over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vsr.observation import LinearOperator, ObservationModel, neighbourhood_range, reading_blur
from vsr.registration import MotionModel, match_brightness, sample_bicubic
from vsr.solvers import DEFAULT_SOLVER, Observations, find_solver
from vsr.solvers.base import residual_sigma
from vsr.solvers.confidence import RESIDUAL_BLUR, residual_confidence
from vsr.solvers.huber_btv import HuberBtvOptions
from vsr.stills.boxes import Box, normalise
from vsr.stills.canvas import Canvas, View, tiles
from vsr.stills.choosing import frame_noise
from vsr.stills.refining import MotionSums

__all__ = ["Fused", "Imaging", "Part", "assemble", "fuse"]

_SAMPLES = 1 << 14  # of each frame, evenly thinned, that tell its noise and brightness
_LEAST_WEIGHT = 0.1
_LEAST_SIGMA = 2.0 / 255  # frames that were compressed alike agree better with each other than with what was filmed
_LIKEST = 0.25  # share of the frames that tell what noise and aliasing alone make different
_MOST_UNLIKE = 1.5  # times the reference's own noise: the most that differences by noise and aliasing come to
_ROUGH_SHARE = 0.12  # of contrast, allowed against a single frame, which is aliased and may be blurred
_SOMETHING_ELSE = 0.5  # confidence below which a sample shows something else: many of them outvote the reference
_MOST_GAIN = 1.4  # of brightness, between frames of a shot
_FIRST_STEPS, _STEPS, _LAST_STEPS = 3, 1, 3  # renewals of the solver's weights: from a guess, on the way, to finish


@dataclass(frozen=True)
class Imaging:
    """What is assumed of camera and scene."""

    psf_sigma_px: float
    """Standard deviation of lens and pixel blur, in frame pixels."""
    regularization: float
    """Strength of the smoothness prior, times the solver's usual."""

    def blur(self, scale: float) -> LinearOperator:
        """B on a fine grid of ``scale``."""
        return reading_blur((self.psf_sigma_px * scale, self.psf_sigma_px * scale), (scale, scale))

    def options(self, steps: int = HuberBtvOptions.outer_iterations) -> HuberBtvOptions:
        """Of the default solver, which renews its weights ``steps`` times."""
        return HuberBtvOptions(regularization=self.regularization, least_sigma=_LEAST_SIGMA, outer_iterations=steps)


@dataclass
class Part:
    """One part of the region and what is known of it."""

    canvas: Canvas
    image: Tensor
    """``(H, W)``, 0…1, with the margin."""
    confidence: Tensor | None = None
    """``(K, h, w)``: of the samples of each frame's crop, after the last round."""


def _similarity(residual: Tensor, contrast: Tensor, sigma: float) -> Tensor:
    """Confidence in 0…1 of each sample from how far the reference shows the same around it; all ``(K, h, w)``.

    ``residual`` is the difference from what the reference shows there, 0 where that is not known: there nothing is held
    against a sample.
    """
    confidence = residual_confidence(RESIDUAL_BLUR.A(residual), contrast, sigma, contrast_share=_ROUGH_SHARE)
    return torch.where(confidence < _SOMETHING_ELSE, 0.0, confidence)


@dataclass
class _Statistics:
    """Thinned samples of each frame: predicted, recorded, and where they have weight."""

    predicted: list[list[Tensor]]
    recorded: list[list[Tensor]]
    confidence: list[list[Tensor]]

    @classmethod
    def empty(cls, num_frames: int) -> _Statistics:
        return cls([[] for _ in range(num_frames)], [[] for _ in range(num_frames)], [[] for _ in range(num_frames)])

    def add(self, number: int, predicted: Tensor, recorded: Tensor, confidence: Tensor, parts: int) -> None:
        step = max(1, predicted.numel() * parts // _SAMPLES)
        for kept, values in ((self.predicted, predicted), (self.recorded, recorded), (self.confidence, confidence)):
            kept[number].append(values.reshape(-1)[::step])

    def frame(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        return torch.cat(self.predicted[number]), torch.cat(self.recorded[number]), torch.cat(self.confidence[number])


@dataclass(frozen=True)
class Fused:
    """What the frames lead to."""

    parts: list[Part]
    views: tuple[View, ...]
    """The frames with motion, brightness and weight as found."""
    reference: int
    """Place among them of the reference."""
    sigma: float
    """Standard deviation of noise and misregistration, 0…1, of the samples that have weight."""
    sigmas: tuple[float, ...]
    """The same of each frame."""
    deviations_px: tuple[float, ...]
    """Standard deviation to expect of the place of each frame's worst corner, in frame pixels."""
    imaging: Imaging
    model: MotionModel

    def image(self) -> Tensor:
        """The whole region on the fine grid, ``(H, W)``, 0…1, unclipped."""
        return assemble([(part.canvas, part.image) for part in self.parts])

    @property
    def num_samples(self) -> int:
        """Of all frames, margins included."""
        return sum(part.confidence.numel() for part in self.parts if part.confidence is not None)

    def cost(self, sigma: float) -> float:
        """Twice the negative logarithm of the samples' likelihood at noise ``sigma``, robust, up to a constant."""
        total = 0.0
        for part in self.parts:
            samples, model = part.canvas.observe(self.views, self.imaging.blur(part.canvas.scale))
            ratio = ((samples - model.A(part.image)) / sigma).abs()
            bounded = torch.where(ratio < 3.0, ratio.square(), 6.0 * ratio - 9.0)
            total += float((bounded * model.inside).sum())
        return total


def assemble(parts: Sequence[tuple[Canvas, Tensor]]) -> Tensor:
    """Maps ``(H, W)`` on parts' grids put together without their margins."""
    height = max(canvas.rows[1] for canvas, _ in parts)
    width = max(canvas.cols[1] for canvas, _ in parts)
    whole = parts[0][1].new_zeros((height, width))
    for canvas, values in parts:
        whole[canvas.rows[0] : canvas.rows[1], canvas.cols[0] : canvas.cols[1]] = canvas.inner(values)
    return whole


class _Rounds:
    """The state that the rounds improve."""

    def __init__(self, parts: list[Part], views: Sequence[View], reference: int, imaging: Imaging) -> None:
        self.parts, self.views, self.imaging = parts, list(views), imaging
        self.reference = next(n for n, view in enumerate(views) if view.number == reference)
        self.sigma = 0.0
        self.sigmas = [0.0] * len(views)
        own_noise = frame_noise(self.views[self.reference].luma, step=1)
        self._most_unlike = _MOST_UNLIKE * max(_LEAST_SIGMA, own_noise)

    def run(self, sums: MotionSums, *, move: bool, finish: bool) -> Iterator[float]:
        """One round; ``sums`` is filled. Without ``move`` the motions stay; ``finish`` takes the image further.

        Gives the share of the round that is done after each part; to be gone through to the end.
        """
        statistics = _Statistics.empty(len(self.views))
        for number, part in enumerate(self.parts):
            self._improve(part, sums, statistics, _LAST_STEPS if finish else _STEPS)
            yield (number + 1) / len(self.parts)
        self._learn(statistics)
        if move:
            moved = sums.improve([view.motion for view in self.views])
            back = torch.linalg.inv(moved[self.reference])  # the reference stays where it is, whatever the others say
            self.views = [
                replace(view, motion=normalise(motion @ back)) for view, motion in zip(self.views, moved, strict=True)
            ]

    def _observe(self, part: Part) -> tuple[Tensor, ObservationModel, LinearOperator]:
        blur = self.imaging.blur(part.canvas.scale)
        samples, model = part.canvas.observe(self.views, blur)
        return samples, model, blur

    def _improve(self, part: Part, sums: MotionSums, statistics: _Statistics, steps: int) -> None:
        samples, model, blur = self._observe(part)
        contrast = neighbourhood_range(samples)
        likeness = self._likeness(part.canvas, samples, contrast, model)
        weights = torch.tensor([view.weight for view in self.views], dtype=samples.dtype)[:, None, None]
        sample_weights = likeness
        if part.confidence is None:
            steps = max(steps, _FIRST_STEPS)
        else:
            sample_weights = likeness * self._fits(samples, contrast, part, model)
        observed = Observations(samples, model, sample_weights * weights)
        part.image = find_solver(DEFAULT_SOLVER)(observed, part.image, self.imaging.options(steps))
        predicted, *slopes = model.read_with_slopes(blur.A(part.image))
        residual = (samples - predicted) * model.inside
        fits = self._explain(residual, contrast, model)
        unforced = likeness * fits
        fits[self.reference] = 1.0
        part.confidence = likeness * fits
        sigma = residual_sigma(residual, model.inside.to(samples.dtype))
        sums.add(part.canvas, model, residual, (slopes[0], slopes[1]), part.confidence * weights, sigma)
        for number, view in enumerate(self.views):
            recorded = (samples[number] - view.offset) / view.gain
            statistics.add(number, predicted[number], recorded, unforced[number], len(self.parts))

    def _likeness(self, canvas: Canvas, samples: Tensor, contrast: Tensor, model: ObservationModel) -> Tensor:
        """How far the reference shows what each sample does, 0…1; 0 outside the image, 1 for the reference's own."""
        x, y = canvas.reference_points(model.rows, model.cols)
        luma = self.views[self.reference].luma
        count, height, width = samples.shape
        rows, cols = (place.reshape(count * height, width) for place in (y, x))
        shown = sample_bicubic(luma[None], rows, cols)[0].reshape(samples.shape)
        known = (x >= 0) & (x <= luma.shape[1] - 1) & (y >= 0) & (y <= luma.shape[0] - 1) & model.inside
        known = known.to(samples.dtype)
        residual = (samples - shown) * known
        like = _similarity(residual, contrast, self._likest(residual, known))
        like[self.reference] = 1.0
        return like * model.inside

    def _likest(self, residual: Tensor, known: Tensor) -> float:
        """Difference from the reference, 0…1, of the frames that are most like it: what noise and aliasing make.

        Over all frames it would grow with what passes in front of the reference, until that was allowed to vanish.
        Where it fills the part, no frame is like the reference, and its own noise sets the limit.
        """
        sigmas = [residual_sigma(residual[k], known[k]) for k in range(len(self.views)) if k != self.reference]
        likest = float(torch.tensor(sigmas).quantile(_LIKEST)) if sigmas else 0.0
        return min(max(_LEAST_SIGMA, likest), self._most_unlike)

    def _fits(self, samples: Tensor, contrast: Tensor, part: Part, model: ObservationModel) -> Tensor:
        """`_explain` of the image so far, and 1 for the reference's own."""
        fits = self._explain((samples - model.A(part.image)) * model.inside, contrast, model)
        fits[self.reference] = 1.0
        return fits

    @staticmethod
    def _explain(residual: Tensor, contrast: Tensor, model: ObservationModel) -> Tensor:
        """How far the image explains what each sample and those around it show, 0…1."""
        sigma = residual_sigma(residual, model.inside.to(residual.dtype))
        return residual_confidence(RESIDUAL_BLUR.A(residual), contrast, sigma)

    def _learn(self, statistics: _Statistics) -> None:
        """Noise, brightness and weight of every frame from its samples."""
        matches = []
        for number in range(len(self.views)):
            predicted, recorded, confidence = statistics.frame(number)
            match = match_brightness(recorded, predicted, confidence)
            matches.append((min(max(float(match.gain), 1 / _MOST_GAIN), _MOST_GAIN), float(match.offset)))
            self.sigmas[number] = residual_sigma(recorded - match.apply(predicted), confidence)
        gain, offset = matches[self.reference]
        self.sigma = float(torch.tensor(self.sigmas, dtype=torch.float64).median())
        weights = [max(_LEAST_WEIGHT, min(1.0, (self.sigma / sigma) ** 2)) for sigma in self.sigmas]
        weights[self.reference] = 1.0  # whatever the others say
        self.views = [
            replace(view, gain=gain / own_gain, offset=offset - own_offset * gain / own_gain, weight=weight)
            for view, (own_gain, own_offset), weight in zip(self.views, matches, weights, strict=True)
        ]


def fuse(
    views: Sequence[View],
    reference: int,
    region: Box,
    scale: float,
    imaging: Imaging,
    model: MotionModel,
    *,
    rounds: int,
    finish: bool = False,
    parts: list[Part] | None = None,
    on_share: Callable[[float], None] = lambda share: None,
) -> Fused:
    """The image of ``region`` of frame ``reference`` (a `View.number`) from all ``views``, that frame among them.

    ``scale`` fine pixels a frame pixel. ``parts`` is where to start, by default the median of the frames, or the
    reference. Motions are refined as ``model`` allows. A fixed number of ``rounds``; the last one takes the image
    further if it is to ``finish``. In the views' precision. ``on_share`` gets the share that is done, 0…1.
    """
    if parts is None:
        place = next(n for n, view in enumerate(views) if view.number == reference)
        parts = [Part(canvas, canvas.first_guess(views, place)) for canvas in tiles(region, scale)]
    state = _Rounds([replace(part) for part in parts], views, reference, imaging)
    sums = MotionSums.empty(region, model, len(views))
    for number in range(rounds):
        sums = MotionSums.empty(region, model, len(views))
        is_last = number == rounds - 1
        for done in state.run(sums, move=not is_last, finish=finish and is_last):
            on_share((number + done) / rounds)
    return Fused(
        parts=state.parts,
        views=tuple(state.views),
        reference=state.reference,
        sigma=state.sigma,
        sigmas=tuple(state.sigmas),
        deviations_px=tuple(sums.deviations_px(state.sigma)),
        imaging=imaging,
        model=model,
    )
