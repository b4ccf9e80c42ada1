"""Where the content of one frame is found in another, and how far that can be trusted."""

from __future__ import annotations

from vsr.registration.brightness import BrightnessMatch, match_brightness
from vsr.registration.flow import FlowPair, consistency_error, flow_pair, pixel_positions, sample_bicubic

__all__ = [
    "BrightnessMatch",
    "FlowPair",
    "consistency_error",
    "flow_pair",
    "match_brightness",
    "pixel_positions",
    "sample_bicubic",
]
