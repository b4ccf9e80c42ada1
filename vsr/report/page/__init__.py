"""One page that shows what a restoration did: images before and after, curves, damage, settings, manifest."""

from __future__ import annotations

from vsr.report.page.make import PageOptions, make_page, page_path

__all__ = ["PageOptions", "make_page", "page_path"]
