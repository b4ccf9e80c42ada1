"""The HTML page about a still."""

from __future__ import annotations

from vsr.report.still.make import make_still_page

__all__ = ["make_still_page"]
