"""Where the content of one frame is found in another, and with what confidence."""

from __future__ import annotations

from vsr.registration.brightness import BrightnessMatch, match_brightness
from vsr.registration.compose import compose_flows, compose_pairs, invert_flow, warp_to
from vsr.registration.flow import (
    FlowPair,
    consistency_error,
    flow_pair,
    pixel_positions,
    sample_bicubic,
    sample_bilinear,
)
from vsr.registration.global_then_dense import global_then_dense
from vsr.registration.parametric import register, register_many
from vsr.registration.phase import Translation, phase_correlation
from vsr.registration.previous import PreviousFrame, register_previous
from vsr.registration.rejection import Rejection, StillCamera, reject_frames, stands_still
from vsr.registration.transform import MotionModel, Registration

__all__ = [
    "BrightnessMatch",
    "FlowPair",
    "MotionModel",
    "PreviousFrame",
    "Registration",
    "Rejection",
    "StillCamera",
    "Translation",
    "compose_flows",
    "compose_pairs",
    "consistency_error",
    "flow_pair",
    "global_then_dense",
    "invert_flow",
    "match_brightness",
    "phase_correlation",
    "pixel_positions",
    "register",
    "register_many",
    "register_previous",
    "reject_frames",
    "sample_bicubic",
    "sample_bilinear",
    "stands_still",
    "warp_to",
]
