"""A comparison as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from fractions import Fraction
from typing import Any

from vsr.report.comparison.records import Comparison, Curve, Side

__all__ = ["as_csv", "as_json"]

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
    """JSON has no infinity: equal pictures are ``"identical"``."""
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
