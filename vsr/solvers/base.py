"""What solvers take and how they are described."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor

from vsr.observation.model import ObservationModel

__all__ = ["Observations", "Requirement", "SolverSpec", "residual_sigma"]

OptionsT = TypeVar("OptionsT")

Requirement = Literal["any", "shifts", "exact-shifts"]
"""Motion that a solver can handle: any; the scene moving as a whole; whole steps of the fine grid only."""

_MEDIAN_SAMPLES = 1 << 13  # enough for a median
_CONFIDENT = 0.3  # samples of more confidence than this estimate the noise
_LEAST_SIGMA = 0.3 / 255  # rounding to 8 bits alone


@dataclass(frozen=True)
class Observations:
    """Recorded frames and how they come from the sought image."""

    frames: Tensor
    """``(K, h, w)``, values 0…1."""
    model: ObservationModel
    """From the sought image to the frames."""
    confidence: Tensor | None = None
    """``(K, h, w)``: prior confidence of each sample, 0 for none; None: all alike."""
    noise_sigma: float | None = None
    """Standard deviation of noise and misregistration, 0…1; None: found from the residual."""
    expected: Tensor | None = None
    """``(H, W)``: what the image is expected to be, say from earlier frames; None: nothing is expected."""
    expected_weight: Tensor | None = None
    """``(H, W)``: how strongly, as a sample's confidence; goes with ``expected``."""
    start_residual: Tensor | None = None
    """`residual` of the image that solving starts from, ``(K, h, w)``, where it is known; None: to be computed."""
    half: bool = False
    """Whether equations may be solved in half precision (bfloat16). Samples, places and weights stay as they are."""

    def __post_init__(self) -> None:
        if self.frames.shape != self.model.rows.shape:
            raise ValueError(f"frames {tuple(self.frames.shape)} do not fit positions {tuple(self.model.rows.shape)}")
        if not self.frames.is_floating_point():
            raise ValueError(f"frames must be floating point, got {self.frames.dtype}")
        if not _lies_within(self.frames, -math.inf):
            raise ValueError("frames hold NaN or infinity")
        if self.confidence is not None and not _lies_within(self.confidence, 0.0):
            raise ValueError("confidence must be finite and not negative")

    def residual(self, x: Tensor) -> Tensor:
        """Samples minus what the image ``x`` predicts for them, ``(K, h, w)``; 0 outside the image."""
        return self.model.residual(self.model.blur.A(x), self.frames)

    def sample_weights(self) -> Tensor:
        """``confidence``, or ones."""
        return torch.ones_like(self.frames) if self.confidence is None else self.confidence

    def sigma(self, residual: Tensor) -> float:
        """``noise_sigma``, or the standard deviation of most of ``residual`` ``(K, h, w)``."""
        return residual_sigma(residual, self.confidence) if self.noise_sigma is None else self.noise_sigma

    def strip(self, first: int, last: int) -> Observations:
        """What concerns image rows ``first`` to ``last`` (exclusive)."""
        model, part = self.model.strip(first, last)
        confidence, residual = (None if t is None else t[:, part] for t in (self.confidence, self.start_residual))
        expected, weight = (None if t is None else t[first:last] for t in (self.expected, self.expected_weight))
        return replace(
            self,
            frames=self.frames[:, part],
            model=model,
            confidence=confidence,
            expected=expected,
            expected_weight=weight,
            start_residual=residual,
        )


def _lies_within(values: Tensor, least: float) -> bool:
    """Whether all ``values`` are finite and at least ``least``; twenty times as fast as to look at each."""
    if not values.numel():
        return True
    low, high = (float(bound) for bound in torch.aminmax(values))  # NaN if there is one
    return least <= low and math.isfinite(low) and math.isfinite(high)


def residual_sigma(residual: Tensor, confidence: Tensor | None = None) -> float:
    """Standard deviation of most of ``residual``, any shape, from the median of the samples with confidence.

    At least that of rounding to 8 bits, so that weights stay finite.
    """
    step = max(1, residual.numel() // _MEDIAN_SAMPLES)
    magnitudes = residual.reshape(-1)[::step].abs()
    if confidence is not None:
        sample_weights = magnitudes[confidence.reshape(-1)[::step] > _CONFIDENT]
        magnitudes = sample_weights if sample_weights.numel() else magnitudes
    return max(_LEAST_SIGMA, 1.4826 * float(magnitudes.median())) if magnitudes.numel() else _LEAST_SIGMA


@dataclass(frozen=True)
class SolverSpec(Generic[OptionsT]):
    """One row of `SOLVERS`."""

    name: str
    """What the user calls it."""
    summary: str
    """One line for lists."""
    requires: Requirement
    """Motion that it can handle."""
    options_type: type[OptionsT]
    """Frozen dataclass of its parameters, each with a default."""
    solve: Callable[[Observations, Tensor, OptionsT], Tensor]
    """The image ``(H, W)`` that explains the observations, from a first guess ``(H, W)``."""

    def __call__(self, observed: Observations, start: Tensor, options: Any = None) -> Tensor:
        """Solve with ``options``, by default the solver's own defaults; ValueError where the motion does not fit."""
        if tuple(start.shape) != observed.model.size_yx:
            raise ValueError(f"start is {tuple(start.shape)}, the sought image {observed.model.size_yx}")
        if not _lies_within(start, -math.inf):
            raise ValueError("start holds NaN or infinity")
        if self.requires != "any" and observed.model.shifts_yx is None:
            raise ValueError(f"{self.name} needs frames that are shifted as a whole; use a solver for any motion")
        return self.solve(observed, start, self.options_type() if options is None else options)
