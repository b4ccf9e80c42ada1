"""A small clip with known truth, made on the spot, and the scoring of what is restored from it."""

from __future__ import annotations

from vsr.demo.clip import DemoClip, make_clip, make_tone
from vsr.demo.score import ClipScore, FrameScore, bicubic_rgb, score_clip

__all__ = ["ClipScore", "DemoClip", "FrameScore", "bicubic_rgb", "make_clip", "make_tone", "score_clip"]
