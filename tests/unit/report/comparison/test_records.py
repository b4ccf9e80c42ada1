"""Every measure is explained to users."""

from __future__ import annotations

from pathlib import Path

from vsr.report.comparison import METRICS


def test_every_measure_has_its_row_in_the_documentation() -> None:
    text = (Path(__file__).parents[4] / "docs" / "report.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| ")]
    described = {label.strip(): names.strip() for label, names in rows}
    for name, metric in METRICS.items():
        assert described[metric.label].startswith(f"`{name}")
