"""A comparison in rows of words, for tables that people read."""

from __future__ import annotations

import math

from vsr.report.comparison.records import METRICS, Comparison, Curve
from vsr.timeline import format_seconds

__all__ = ["file_rows", "measure_rows"]

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
        told = curves.get("") or curves["b"]
        rows.append([_label(metric), *(_mean(curves.get(key)) for _, key in columns), *_least(told, found)])
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
