"""Two videos side by side in numbers: frames paired by their times, measured, as curves and as a table."""

from __future__ import annotations

from vsr.report.comparison.compare import compare
from vsr.report.comparison.measure import measure
from vsr.report.comparison.part import Part
from vsr.report.comparison.records import METRICS, Comparison, Curve, Metric, Side
from vsr.report.comparison.tables import as_csv, as_json
from vsr.report.comparison.wanted import Wanted

__all__ = [
    "METRICS",
    "Comparison",
    "Curve",
    "Metric",
    "Part",
    "Side",
    "Wanted",
    "as_csv",
    "as_json",
    "compare",
    "measure",
]
