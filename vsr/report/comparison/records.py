"""What a comparison gives: who was compared, when, and one curve for every measure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

__all__ = ["METRICS", "Comparison", "Curve", "Metric", "Side"]


@dataclass(frozen=True)
class Metric:
    """One kind of measure."""

    label: str
    unit: str
    decimals: int
    summary: str
    """What it says, in a sentence."""
    higher_is_better: bool = True


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "psnr": Metric("PSNR", "dB", 2, "closeness of luma, sample by sample"),
        "ssim": Metric("SSIM", "", 4, "closeness of structure in 11×11 windows"),
        "temporal_psnr": Metric("temporal PSNR", "dB", 2, "closeness of the change from frame to frame"),
        "model_lr_psnr": Metric(
            "LR-PSNR by the model", "dB", 2, "the larger picture, recorded again as its method assumes it was"
        ),
        "lr_psnr": Metric("LR-PSNR", "dB", 2, "the larger picture, made small by bicubic, against the smaller one"),
        "lr_temporal_psnr": Metric("LR temporal PSNR", "dB", 2, "the same for the change from frame to frame"),
        "vmaf": Metric("VMAF", "", 2, "Netflix's forecast of opinion, 0 to 100 (vmaf_v0.6.1)"),
        "vmaf_neg": Metric("VMAF NEG", "", 2, "VMAF without credit for enhancement (vmaf_v0.6.1neg)"),
        "sharpness": Metric(
            "sharpness", "", 3, "root mean square step between neighbouring pixels, of 255; noise raises it, too"
        ),
    }
)
"""Measures by name."""


@dataclass(frozen=True)
class Side:
    """One of the videos."""

    name: str
    """``A``, ``B`` or ``reference``."""
    path: Path
    width: int
    height: int
    pix_fmt: str
    rate: Fraction | None
    """Frames a second, by its header."""
    num_frames: int
    num_unpaired: int
    """Frames that some other video has no partner for."""
    first_unpaired: Fraction | None
    """Time of the first of them, seconds."""
    last_unpaired: Fraction | None

    @property
    def key(self) -> str:
        """The name as part of a column's."""
        return self.name.lower()


@dataclass(frozen=True)
class Curve:
    """One measure, frame by frame."""

    metric: str
    """Row of `METRICS`."""
    about: str
    """The side that is measured, by its key: alone, or against the reference. Empty: A and B against each other."""
    values: Sequence[float | None]
    """One a frame; None where it is not defined, infinite where pictures are equal."""
    pooled: float | None = None
    """Of PSNRs: that of the mean square error of all frames."""

    @property
    def name(self) -> str:
        """As a column's."""
        return f"{self.metric}_{self.about}" if self.about else self.metric

    @property
    def num_identical(self) -> int:
        """Frames without any difference."""
        return sum(value is not None and math.isinf(value) for value in self.values)

    @property
    def mean(self) -> float | None:
        """Mean over the frames where it is finite; infinite where all are equal, None where there is none."""
        finite = [value for value in self.values if value is not None and math.isfinite(value)]
        if finite:
            return math.fsum(finite) / len(finite)
        return math.inf if self.num_identical else None

    @property
    def worst(self) -> int | None:
        """Place of the lowest value; None where there is none."""
        known = [(value, place) for place, value in enumerate(self.values) if value is not None]
        return min(known)[1] if known else None


@dataclass(frozen=True)
class Comparison:
    """Videos compared."""

    sides: Sequence[Side]
    times: Sequence[Fraction]
    """Of the frames measured, seconds by A's clock."""
    ordinals: Sequence[Sequence[int]]
    """Their places in each video's decode: one tuple a frame."""
    curves: Sequence[Curve]
    every: int
    """One in so many frames common to all was measured."""
    num_common: int
    """Frames common to all."""
    ssim_grid: tuple[int, int] | None
    """Rows and columns from one window to the next; None: no SSIM."""
    notes: Sequence[str]
    """What a reader must know, in words."""

    def curve(self, metric: str, about: str = "") -> Curve | None:
        """The curve of that name, if there is one."""
        return next((c for c in self.curves if (c.metric, c.about) == (metric, about)), None)
