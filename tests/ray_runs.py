"""What tests of Ray workers share: the settings of their runs."""

from __future__ import annotations

from typing import Any

__all__ = ["MANY_FRAMES", "RAY_SETTINGS"]

RAY_SETTINGS: dict[str, Any] = {
    "method": "lanczos",
    "speed": "ultrafast",
    "encoder_threads": 1,
    "segment_frames": 16,
    "num_cpus": 0.5,
}
"""Small segments, two of which fit on one core."""

MANY_FRAMES = 480
"""Of the clip ``many`` of tests/faults."""
