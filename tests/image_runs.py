"""Image sequences restored at their own size, and what that dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import vsr

__all__ = ["PLAIN", "dropped_by"]

PLAIN: dict[str, Any] = {"scale": 1, "method": "bicubic", "speed": None}
"""Settings under which samples stay."""


def dropped_by(source: Path, target: Path, quick: dict[str, Any], **changes: Any) -> list[str]:
    """Restore ``source``; what the manifest says was dropped."""
    [outcome] = vsr.upscale(source, target, settings=quick | PLAIN | changes)
    assert outcome.manifest is not None
    return list(outcome.manifest["output"]["dropped"])
