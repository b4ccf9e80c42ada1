"""A page for opinions: which of two versions is better, without knowing which is which."""

from __future__ import annotations

from vsr.report.blind.make import make_blind_page

__all__ = ["make_blind_page"]
