"""Results to look at."""

from __future__ import annotations

from vsr.report.side_by_side import Panel, busiest_crop, side_by_side, write_side_by_side

__all__ = ["Panel", "busiest_crop", "side_by_side", "write_side_by_side"]
