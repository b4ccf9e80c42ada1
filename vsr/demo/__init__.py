"""Small clips with known ground truth, made on the spot, and the scoring of what is restored from them."""

from __future__ import annotations

from vsr.demo.clip import DemoClip, make_clip, make_ordinary_clip, make_tone
from vsr.demo.score import ClipScore, FrameScore, bicubic_rgb, mean_psnr, score_clip, verdict

__all__ = [
    "ClipScore",
    "DemoClip",
    "FrameScore",
    "bicubic_rgb",
    "make_clip",
    "make_ordinary_clip",
    "make_tone",
    "mean_psnr",
    "score_clip",
    "verdict",
]
