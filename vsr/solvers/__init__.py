"""Solvers: from recorded samples and an imaging model to the picture behind them."""

from __future__ import annotations

from vsr.solvers.fusion import FrameSamples, FusionSettings, fuse

__all__ = ["FrameSamples", "FusionSettings", "fuse"]
