"""One motion for a whole image, to a hundredth of a pixel, and whether the fit converged.

From the shift that phase correlation finds, robust Gauss-Newton steps (`gauss_newton`) lead from coarse to fine. The
precision on aliased frames comes from reading both images through one smoothing kernel (`spline`), and from
replacing outliers first (`impulses`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vsr.registration.gauss_newton import (
    Comparison,
    Estimate,
    Level,
    compare,
    improve,
    observability,
    pyramid,
    template,
    to_unit,
)
from vsr.registration.phase import phase_correlation
from vsr.registration.transform import MotionModel, Registration

__all__ = ["MIN_REGISTER_SIZE", "register", "register_many"]

MIN_REGISTER_SIZE = 16
"""Shortest image side, in pixels, that is registered."""

_FLAT = 1e-3  # standard deviation, 0…1, of an image that shows nothing
_ENOUGH_PIXELS = 1 << 16  # finer levels of a larger image would take time and add no precision
_COARSE_STEPS, _COARSE_PX = 12, 0.05  # most steps, and the step that ends the iteration on coarse levels
_FINE_STEPS, _FINE_PX = 40, 4e-3  # the same on the finest
_CONVERGED_PX = 0.02  # a fit whose last step was longer has failed, unless it cannot be located better anyway
_CLEAR_PEAK = 0.5  # confidence of a phase correlation that needs no second opinion
_LONGEST_REACH = 9.0  # steps that an accelerated one may make up for
_TINY = 1e-30
_LEAST_OVERLAP = 0.15  # share of the image
_LEAST_CORRELATION = 0.4  # unrelated photographs reach 0.37
_LEAST_SHARE = 0.05  # of the gradients that both images have in common, in the worst direction
_CHANCE_SHARE = 14.0  # divided by √(number of pixels): more than noise alone has (measured: at most 11.4)
_WORST_DEVIATION_PX = 1.0


class _Failed(Exception):
    """No motion was found; the message is `Registration.reason`."""


def _correlation(level: Level, comparison: Comparison) -> float:
    weights = comparison.weights / comparison.weights.sum().clamp(min=1e-9)
    a, b = (t - (weights * t).sum() for t in (level.smooth, comparison.moved))
    energy = (weights * a * a).sum() * (weights * b * b).sum()
    return float((weights * a * b).sum() / energy.sqrt().clamp(min=1e-12))


def _check_overlap(comparison: Comparison) -> None:
    overlap = float((comparison.weights > 0).to(torch.float32).mean())
    if overlap < _LEAST_OVERLAP:
        raise _Failed(f"only {overlap:.0%} of the image could be compared; at least {_LEAST_OVERLAP:.0%} are needed")


class _Acceleration:
    """Lengthens steps that point the way of the last one, which re-weighted least squares takes many of.

    Anderson's mixing (1965) with one step of memory: the two steps' difference tells how they shrink, and so their sum.
    """

    def __init__(self) -> None:
        self._before: tuple[Tensor, Tensor] | None = None

    def further(self, start: Estimate, end: Estimate, *, shrinks: bool) -> Estimate:
        """Where to go instead of from ``start`` to ``end``; there, unless the step is shorter than the last."""
        place = start.parameters()
        step = end.parameters() - place
        before, self._before = self._before, (place, step)
        if before is None or not shrinks:
            return end
        change = step - before[1]
        share = float(step @ change / (change @ change).clamp(min=_TINY))
        share = min(max(share, -_LONGEST_REACH), 0.0)
        return Estimate.of(place + step - share * (place - before[0] + change))


def _descend(
    level: Level, other: Tensor, estimate: Estimate, model: MotionModel, *, most_steps: int, until_px: float
) -> tuple[Estimate, Comparison, float]:
    """Steps until one is shorter than ``until_px``; with the last comparison and the length of the last step."""
    length_px = math.inf
    comparison = compare(level, other, estimate)
    acceleration = _Acceleration()
    for _ in range(most_steps):
        _check_overlap(comparison)
        better = improve(level, comparison, estimate, model)
        if better is None:
            raise _Failed("the images have too little texture to tell the motion")
        reached, now_px = better
        estimate = acceleration.further(estimate, reached, shrinks=until_px < now_px < length_px)
        length_px = now_px
        comparison = compare(level, other, estimate)
        if length_px < until_px:
            break
    _check_overlap(comparison)
    return estimate, comparison, length_px


def _start(levels: Sequence[Level], others: Sequence[Tensor], model: MotionModel, motions: list[Tensor]) -> Estimate:
    """The best that any of the ``motions`` leads to on the coarsest level."""
    results: list[tuple[float, Estimate]] = []
    failure: _Failed | None = None
    for motion in motions:
        try:
            estimate, comparison, _ = _descend(
                levels[-1], others[-1], Estimate(motion), model, most_steps=_COARSE_STEPS, until_px=_COARSE_PX
            )
            results.append((_correlation(levels[-1], comparison), estimate))
        except _Failed as error:
            failure = error
    if failure is not None and not results:
        raise failure
    return max(results, key=lambda result: result[0])[1]


def _motions(a: Tensor, b: Tensor, level: Level) -> list[Tensor]:
    """Motions to start from, in unit coordinates, of images on this level."""
    found = phase_correlation(a, b)
    nothing = torch.eye(3, dtype=torch.float64)
    shift = nothing.clone()
    shift[:2, 2] = torch.tensor(found.shift_yx[::-1]) / level.pixels_per_unit
    return [shift] if found.confidence >= _CLEAR_PEAK else [shift, nothing]


def _fit(
    levels: Sequence[Level], others: Sequence[Tensor], model: MotionModel, motions: list[Tensor]
) -> tuple[Estimate, Comparison, float]:
    """From the coarsest level to the finest; perspective only on the last two, where there are pixels enough."""
    models: list[MotionModel] = ["affine" if model == "homography" and k > 1 else model for k in range(len(levels))]
    estimate = _start(levels, others, models[-1], motions)
    for k in range(len(levels) - 2, 0, -1):
        estimate, _, _ = _descend(
            levels[k], others[k], estimate, models[k], most_steps=_COARSE_STEPS, until_px=_COARSE_PX
        )
    return _descend(levels[0], others[0], estimate, model, most_steps=_FINE_STEPS, until_px=_FINE_PX)


def _check_image(name: str, image: Tensor) -> None:
    height, width = image.shape
    if min(height, width) < MIN_REGISTER_SIZE:
        raise _Failed(f"images of {width}x{height} pixels are too small; each side needs {MIN_REGISTER_SIZE}")
    if not bool(torch.isfinite(image).all()):
        raise _Failed(f"{name} has values that are not finite")
    if float(image.to(torch.float32).std()) < _FLAT:
        raise _Failed(f"{name} has too little texture: it is flat")


class _Reference:
    """Image ``a``, prepared for any number of images ``b``."""

    def __init__(self, image: Tensor, model: MotionModel, weights: Tensor | None) -> None:
        self.model = model
        self.failure = ""
        try:
            _check_image("the reference", image)
        except _Failed as error:
            self.failure = str(error)
            return
        images = pyramid(image, weights)
        self.skipped = sum(p[0].numel() > _ENOUGH_PIXELS for p in images)
        self.image = images[self.skipped][0]
        self.to_unit = to_unit(image.shape, 0)
        self.levels = template(images, self.skipped)

    def motion_to(self, image: Tensor, initial: Registration | None) -> Registration:
        """``image`` registered; where that is impossible, the reason."""
        try:
            if self.failure:
                raise _Failed(self.failure)
            _check_image("the image", image)
            return self._motion_to(image, initial)
        except _Failed as error:
            nowhere = torch.eye(3, dtype=torch.float64, device=image.device)
            return Registration(nowhere, self.model, False, 0.0, math.inf, math.inf, str(error))

    def _motion_to(self, image: Tensor, initial: Registration | None) -> Registration:
        images = pyramid(image, None)[self.skipped :]
        if initial is not None and initial.converged:
            motions = [self.to_unit @ initial.matrix.to("cpu", torch.float64) @ torch.linalg.inv(self.to_unit)]
        else:
            motions = _motions(self.image, images[0][0], self.levels[0])
        estimate, comparison, length_px = _fit(self.levels, images, self.model, motions)
        finest = self.levels[0]
        correlation = _correlation(finest, comparison)
        if not correlation >= _LEAST_CORRELATION:
            raise _Failed(f"the images do not match: their correlation after alignment is {correlation:.2f}")
        share, deviation_px = observability(finest, comparison, estimate, self.model)
        if share < max(_LEAST_SHARE, _CHANCE_SHARE / math.sqrt(finest.smooth.numel())):
            raise _Failed("the images share too little texture to tell the motion in every direction")
        if deviation_px > _WORST_DEVIATION_PX:
            raise _Failed(f"too little texture for the noise: the motion is uncertain by {deviation_px:.1f} pixels")
        if length_px > max(_CONVERGED_PX, deviation_px):
            raise _Failed(f"the fit did not converge: its last step was {length_px:.2f} pixels long")
        stride = 1 / float(self.to_unit[0, 0]) / finest.pixels_per_unit
        matrix = torch.linalg.inv(self.to_unit) @ estimate.motion @ self.to_unit
        return Registration(
            matrix=(matrix / matrix[2, 2]).to(image.device),
            model=self.model,
            converged=True,
            correlation=correlation,
            residual=comparison.sigma,
            deviation_px=deviation_px * stride,
        )


def register_many(
    reference: Tensor, others: Tensor, model: MotionModel, *, weights: Tensor | None = None
) -> list[Registration]:
    """The motion from ``reference`` ``(H, W)`` to each of ``others`` ``(K, H, W)``; see `register`.

    The same results as registering one by one, faster: the reference is prepared once.
    """
    _check_arguments(reference, others, weights)
    prepared = _Reference(reference, model, weights)
    return [prepared.motion_to(other, None) for other in others]


def register(
    a: Tensor,
    b: Tensor,
    model: MotionModel = "affine",
    *,
    initial: Registration | None = None,
    weights: Tensor | None = None,
) -> Registration:
    """The motion from ``a`` to ``b``, both ``(H, W)`` floating-point in 0…1 on one device.

    Aliased 128×128 frames with noise 2/255 are registered to 0.004 pixels (translation) or 0.01 (affine,
    homography); 5 % salt and pepper, a change of gain and offset, or other motion on a third of the image cost
    little. Reaches shifts of a third of the image, and turns of 10 degrees and zooms of 1.2.

    ``initial`` is where to start, by default at the shift found by phase correlation. ``weights`` ``(H, W)``, ≥ 0,
    says how much each pixel of ``a`` counts, by default all the same.

    What cannot be registered (images that are flat, tiny, unrelated, striped, or not finite) is never an exception:
    ``converged`` is False, ``reason`` says why, and the matrix is the identity. A shape that does not fit is.

    Lucas & Kanade 1981 with the mean gradients of Benhimane & Malis 2004, Geman-McClure weights (Black & Anandan
    1996), a gain and an offset in the fit, and steps lengthened after Anderson 1965. Of large images the finest
    levels of the pyramid are left out: they would take time and add no precision.
    """
    _check_arguments(a, b[None], weights)
    return _Reference(a, model, weights).motion_to(b, initial)


def _check_arguments(reference: Tensor, others: Tensor, weights: Tensor | None) -> None:
    size = tuple(reference.shape)
    if reference.ndim != 2 or tuple(others.shape[1:]) != size:
        raise ValueError(f"images must be (H, W) and of one size, got {size} and {tuple(others.shape[1:])}")
    if weights is not None and tuple(weights.shape) != size:
        raise ValueError(f"weights must have the reference's size {size}, got {tuple(weights.shape)}")
    if not (reference.is_floating_point() and others.is_floating_point()):
        raise ValueError(f"images must be floating-point in 0…1, got {reference.dtype} and {others.dtype}")
