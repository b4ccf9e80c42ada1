"""What a comparison gives: who was compared, one curve for every measure; as JSON, as CSV, and in rows of words."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vsr.timeline import format_seconds

__all__ = ["METRICS", "Comparison", "Curve", "Metric", "Side", "as_csv", "as_json", "file_rows", "measure_rows"]


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
            "LR-PSNR by the model", "dB", 2, "the larger image, degraded again as its method assumes it was"
        ),
        "lr_psnr": Metric("LR-PSNR", "dB", 2, "the larger image, made small by bicubic, against the smaller one"),
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
    """One a frame; None where it is not defined, infinite where images are equal."""
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


FORMAT = 1
"""Version of the JSON's layout."""
_DIGITS = 6


def as_json(comparison: Comparison, *, with_frames: bool = True) -> str:
    """Everything as one JSON object; ``frames`` holds the curves frame by frame."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "videos": [_side(side) for side in comparison.sides],
        "frames_in_common": comparison.num_common,
        "frames_measured": len(comparison.times),
        "every": comparison.every,
        "ssim_grid": list(comparison.ssim_grid) if comparison.ssim_grid else None,
        "notes": list(comparison.notes),
        "summary": {curve.name: _summary(curve, comparison) for curve in comparison.curves},
    }
    if with_frames:
        data["frames"] = {
            "seconds": [round(float(time), _DIGITS) for time in comparison.times],
            "ordinals": [list(each) for each in comparison.ordinals],
            **{curve.name: [_number(value) for value in curve.values] for curve in comparison.curves},
        }
    return json.dumps(data, indent=1, allow_nan=False)


def _side(side: Side) -> dict[str, Any]:
    return {
        "name": side.name,
        "path": str(side.path),
        "size": [side.width, side.height],
        "pix_fmt": side.pix_fmt,
        "rate": str(side.rate) if side.rate else None,
        "num_frames": side.num_frames,
        "num_unpaired": side.num_unpaired,
        "first_unpaired_seconds": _seconds(side.first_unpaired),
        "last_unpaired_seconds": _seconds(side.last_unpaired),
    }


def _seconds(time: Fraction | None) -> float | None:
    return None if time is None else round(float(time), _DIGITS)


def _summary(curve: Curve, comparison: Comparison) -> dict[str, Any]:
    worst = curve.worst
    return {
        "mean": _number(curve.mean),
        "pooled": _number(curve.pooled),
        "least": _number(curve.values[worst]) if worst is not None else None,
        "least_at_seconds": _seconds(comparison.times[worst]) if worst is not None else None,
        "identical_frames": curve.num_identical,
    }


def _number(value: float | None) -> float | str | None:
    """JSON has no infinity: equal images are ``"identical"``."""
    if value is None:
        return None
    return round(value, _DIGITS) if math.isfinite(value) else "identical"


def as_csv(comparison: Comparison) -> str:
    """One line a frame: time, ordinals, every curve. Empty where a measure is not defined, ``inf`` where equal."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    places = [f"frame_{side.key}" for side in comparison.sides]
    writer.writerow(["seconds", *places, *(curve.name for curve in comparison.curves)])
    for number, (time, ordinals) in enumerate(zip(comparison.times, comparison.ordinals, strict=True)):
        values = [curve.values[number] for curve in comparison.curves]
        cells = ["" if value is None else f"{value:.{_DIGITS}g}" for value in values]
        writer.writerow([f"{float(time):.6f}", *ordinals, *cells])
    return text.getvalue()


Rows = tuple[list[str], list[list[str]]]


def file_rows(found: Comparison) -> Rows:
    """Head and rows: who was compared."""
    rows = []
    for side in found.sides:
        rate = f"{float(side.rate):.6g}" if side.rate else "unknown"
        size = f"{side.width}x{side.height}"
        rows.append([side.name, side.path.name, size, side.pix_fmt, rate, str(side.num_frames)])
    return ["", "file", "size", "format", "fps", "frames"], rows


def measure_rows(found: Comparison) -> Rows:
    """Head and rows: what was measured; of one side alone or against the reference, and of A and B together."""
    about = {curve.about for curve in found.curves}
    columns = [(side.name, side.key) for side in found.sides if side.key in about]
    if "" in about:
        columns.append(("A and B", ""))
    rows = []
    for metric in dict.fromkeys(curve.metric for curve in found.curves):
        curves = {curve.about: curve for curve in found.curves if curve.metric == metric}
        shown = curves.get("") or curves["b"]
        rows.append([_label(metric), *(_mean(curves.get(key)) for _, key in columns), *_least(shown, found)])
    least = "least" if len(found.sides) == 1 else "least of B"
    return ["measure", *(name for name, _ in columns), least, "at"], rows


def _label(metric: str) -> str:
    known = METRICS[metric]
    return f"{known.label}, {known.unit}" if known.unit else known.label


def _show(metric: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.{METRICS[metric].decimals}f}" if math.isfinite(value) else "identical"


def _mean(curve: Curve | None) -> str:
    if curve is None:
        return ""
    text = _show(curve.metric, curve.mean)
    if curve.num_identical and text != "identical":
        text += f" ({curve.num_identical} identical)"
    return text


def _least(curve: Curve, found: Comparison) -> list[str]:
    worst = curve.worst
    if worst is None or curve.mean is None or math.isinf(curve.mean):
        return ["", ""]
    return [_show(curve.metric, curve.values[worst]), format_seconds(found.times[worst])]
