"""Two videos side by side in numbers: frames paired by their times, measured, as curves and as a table."""

from __future__ import annotations

from vsr.report.comparison.compare import compare
from vsr.report.comparison.measure import measure
from vsr.report.comparison.plan import Part, Requested
from vsr.report.comparison.records import METRICS, Comparison, Curve, Metric, Side, as_csv, as_json

__all__ = [
    "METRICS",
    "Comparison",
    "Curve",
    "Metric",
    "Part",
    "Requested",
    "Side",
    "as_csv",
    "as_json",
    "compare",
    "measure",
]
