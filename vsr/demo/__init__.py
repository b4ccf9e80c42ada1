"""A small clip with known truth, made on the spot, and the scoring of what is restored from it."""

from __future__ import annotations

from vsr.demo.clip import DemoClip, make_clip, make_tone

__all__ = ["DemoClip", "make_clip", "make_tone"]
