"""Does a restored frame agree with what the camera recorded? Measured for any method, enforced where asked for.

The frame is degraded again by a model of `vsr.observation` and compared with the input. What should be left
is the noise of the input: its own, and that of rounding to code values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from vsr.frames import PixelLayout, VideoFrame
from vsr.methods.method import NOT_ADAPTED, Adaptation, Evidence, Geometry, Prepared, Restorer
from vsr.methods.noise import estimate_noise
from vsr.metrics.sums import psnr_from_sum
from vsr.observation import LinearOperator, Recording

__all__ = [
    "MAX_STEPS",
    "Agreement",
    "Consistency",
    "assumed_degradation",
    "consistency_of",
    "project",
    "rms",
    "watched",
]

_LEAST_SHARE = 1e-3  # of full range: 60 dB. Finer than that no residual needs to be
_TURNS, _ENOUGH = 8, 1.02
_FLOAT_STEP = 1 / 255  # of floating-point samples, whose rounding is not known


@dataclass(frozen=True)
class Agreement:
    """How well a restored frame agrees with the input."""

    lr_psnr_db: float
    """PSNR of the frame, degraded again, against the input: luma, or R, G and B together."""
    residual_over_noise: float
    """Root mean square of that difference over the input's noise; 1 is what should be left."""
    input_noise_sigma: float
    """Standard deviation of the input's noise as a share of full range, rounding to codes included."""

    def findings(self) -> Mapping[str, float]:
        """By the names of `vsr.methods.findings`."""
        return {
            "lr_psnr_db": self.lr_psnr_db,
            "residual_over_noise": self.residual_over_noise,
            "input_noise_sigma": self.input_noise_sigma,
        }


def _make_recording(frame: VideoFrame, plane: int, like: Tensor) -> Tensor:
    values = frame.planes[plane].to(like.device).float()
    return torch.nan_to_num(values) if frame.layout.is_float else values


def _noise_sigma(plane: Tensor, layout: PixelLayout, given: float | None, estimated: float | None) -> float:
    """Noise of an input plane in code values, at least that of rounding.

    ``given`` by the user, in code values of 8 bits; ``estimated`` from the shot, in those of the plane.
    """
    step = _FLOAT_STEP if layout.is_float else 1.0
    if given is not None:
        own = given * layout.peak / 255
    else:
        own = estimate_noise(plane, layout.peak) if estimated is None else estimated
    return max(math.hypot(own, step / math.sqrt(12)), _LEAST_SHARE * layout.peak)


def _project(image: Tensor, recorded: Tensor, operator: Recording, target_rms: float, peak: float | None) -> Tensor:
    """`project`, to what can be stored: cutting at 0 and ``peak`` and projecting take turns (None: nothing is cut)."""
    if peak is None:
        return project(image, recorded, operator, target_rms)
    for _ in range(_TURNS):
        image = project(image.clamp(0, peak), recorded, operator, target_rms).clamp(0, peak)
        if rms(recorded - operator.A(image)) <= _ENOUGH * target_rms:
            break
    return image


@dataclass
class Consistency:
    """Compares and projects frames of one geometry."""

    geometry: Geometry
    degradation: str
    """Name in `vsr.observation.DEGRADATIONS`: how the input is taken to have come about."""
    noise_sigma: float | None = None
    """Noise of the input in code values of 8 bits; None: estimated from the frames."""
    shot_noise: tuple[float, ...] | None = None
    """Noise of each colour plane of the shot, in code values, estimated by `adapt`; None: estimated from each frame."""
    _operators: dict[tuple[object, ...], Recording] = field(default_factory=dict, repr=False)

    @property
    def applies(self) -> bool:
        """Whether there is anything to compare: images that became no smaller."""
        return min(self.geometry.scale_x, self.geometry.scale_y) >= 1

    def _operator(self, frame: VideoFrame, plane: int) -> Recording:
        layout, geometry = frame.layout, self.geometry
        x, y = layout.siting_offset(frame.color.chroma_location) if layout.is_chroma(plane) else (0.0, 0.0)
        sizes = (
            layout.plane_size(plane, geometry.out_width, geometry.out_height),
            layout.plane_size(plane, geometry.width, geometry.height),
        )
        key = (sizes, x, y)
        if key not in self._operators:
            scale_yx = (geometry.scale_y, geometry.scale_x)
            self._operators[key] = Recording(*sizes, self.degradation, scale_yx, (y, x))
        return self._operators[key]

    def _noise(self, frame: VideoFrame, plane: int, recorded: Tensor) -> float:
        estimated = self.shot_noise[plane] if self.shot_noise is not None else None
        return _noise_sigma(recorded, frame.layout, self.noise_sigma, estimated)

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """``noise`` of each colour plane, in code values: the median over first frames of a shot; nothing if given."""
        if self.noise_sigma is not None or not frames:
            return NOT_ADAPTED
        layout = frames[0].layout
        estimated = [
            [estimate_noise(_make_recording(frame, plane, frame.planes[plane]), layout.peak) for frame in frames]
            for plane in range(layout.num_planes - layout.has_alpha)
        ]
        return {"noise": torch.tensor([sorted(values)[len(values) // 2] for values in estimated], dtype=torch.float64)}

    def with_adaptation(self, adaptation: Adaptation) -> Consistency:
        """The comparison for the shot that `adapt` saw."""
        noise = adaptation.get("noise")
        return self if noise is None else replace(self, shot_noise=tuple(noise.tolist()))

    def measure(self, frame: VideoFrame, planes: tuple[Tensor, ...]) -> Agreement:
        """How well ``planes``, float32 code values at the output's size, agree with the input ``frame``.

        Values are compared as they are stored: cut at the ends of the code range.
        """
        layout = frame.layout
        compared = range(3 if layout.family == "rgb" else 1)
        squares = noise = 0.0
        for plane in compared:
            recorded = _make_recording(frame, plane, planes[plane])
            operator = self._operator(frame, plane)
            again = operator.A(planes[plane]) if layout.is_float else operator.of_stored(planes[plane], layout.peak)
            squares += rms(recorded - again) ** 2 / len(compared)
            noise += self._noise(frame, plane, recorded) ** 2 / len(compared)
        peak = layout.peak
        lr_psnr = psnr_from_sum(max(squares, 1e-12 * peak**2), 1, peak)
        return Agreement(round(lr_psnr, 3), round(math.sqrt(squares / noise), 4), round(math.sqrt(noise) / peak, 6))

    def project(self, frame: VideoFrame, planes: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """``planes`` brought into agreement with ``frame``, each colour plane for itself; see `project`.

        What is left is the noise of the input's plane. Alpha stays. Values that cannot be stored are cut off.
        """
        num_colours = frame.layout.num_planes - frame.layout.has_alpha
        projected = []
        for plane in range(num_colours):
            recorded = _make_recording(frame, plane, planes[plane])
            requested, operator = self._noise(frame, plane, recorded), self._operator(frame, plane)
            peak = None if frame.layout.is_float else frame.layout.peak
            projected.append(_project(planes[plane], recorded, operator, requested, peak))
        return (*projected, *planes[num_colours:])


_EVERY: Mapping[Evidence, int] = MappingProxyType(
    {"learned": 1, "generative": 1, "observation-model": 8, "interpolation": 24}
)
"""Which frames are compared, counted by ordinal: where a frame is soon made, the comparison would take longer."""


def assumed_degradation(options: Any) -> str:
    """How inputs are taken to have come about by a method with ``options``; bicubic where it assumes nothing."""
    return str(getattr(options, "assumed_degradation", "BI"))


def consistency_of(geometry: Geometry, options: Any) -> Consistency:
    """The comparison for a method with ``options``."""
    return Consistency(geometry, assumed_degradation(options), getattr(options, "noise_sigma", None))


def watched(
    prepared: Prepared[Any],
    restorer: Restorer,
    frames: Iterable[VideoFrame],
    adaptation: Adaptation,
    geometry: Geometry,
) -> Iterator[VideoFrame]:
    """What ``restorer`` makes of ``frames``, some with how well they agree with the input among their findings."""
    consistency = consistency_of(geometry, prepared.options).with_adaptation(adaptation)
    if not consistency.applies or prepared.capabilities.measures_agreement:
        yield from restorer.restore(frames, adaptation)
        return
    every = _EVERY[prepared.capabilities.evidence]
    waiting: dict[tuple[int, int], VideoFrame] = {}

    def seen() -> Iterator[VideoFrame]:
        for frame in frames:
            if not frame.is_halo and frame.ordinal % every == 0:
                waiting[frame.ordinal, frame.pts] = frame
            yield frame

    restored = restorer.restore(seen(), adaptation)
    try:
        for result in restored:
            frame = waiting.pop((result.ordinal, result.pts), None)
            if frame is not None:
                agreement = consistency.measure(frame, result.planes)
                result = replace(result, findings={**result.findings, **agreement.findings()})
            yield result
            del frame, result  # they may be large, and the next one is made before these names are used again
    finally:
        close = getattr(restored, "close", None)
        if close is not None:
            close()


MAX_STEPS = 30
"""Steps after which what is still missing is left."""


def rms(values: Tensor) -> float:
    """Root of the mean square."""
    return math.sqrt(_dot(values, values) / values.numel())


def _dot(first: Tensor, second: Tensor) -> float:
    return float((first.double() * second.double()).sum())


def project(start: Tensor, recorded: Tensor, operator: LinearOperator, target_rms: float) -> Tensor:
    """``start`` ``(H, W)`` changed until ``rms(recorded - A x)`` is ``target_rms``: the discrepancy principle.

    Equal to ``start`` where that holds already. ``recorded`` is ``(h, w)``, in the unit and type of ``start``, float32
    or float64. The last step is shortened so that noise is not fitted: ``target_rms`` is what comes out, not less.
    """
    image, missing = start, recorded - operator.A(start)
    before = _dot(missing, missing)
    requested = target_rms**2 * recorded.numel()
    direction: Tensor | None = None
    shrink = 0.0
    for _ in range(MAX_STEPS):
        if before <= requested or before == 0:
            break
        spread = operator.A_adjoint(missing)
        direction = spread if direction is None else spread.add_(direction, alpha=shrink)
        length = _dot(direction, direction)
        if length == 0:
            break
        step, seen = before / length, operator.A(direction)
        share = _share(missing, seen, step, requested)
        image = image.add(direction, alpha=share * step)
        missing = missing.sub(seen, alpha=share * step)
        after = _dot(missing, missing)
        shrink, before = after / before, after
        if share < 1:
            break
    return image


def _share(missing: Tensor, seen: Tensor, step: float, requested: float) -> float:
    """The part of a step after which the square of what is missing is ``requested``; 1 where even all of it is more."""
    a, b, c = step**2 * _dot(seen, seen), -2 * step * _dot(missing, seen), _dot(missing, missing) - requested
    if a + b + c >= 0:
        return 1.0
    return (-b - math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)
