"""A page for opinions: which of two versions is better, without knowing which is which; and their rank by opinions."""

from __future__ import annotations

from vsr.report.blind.make import make_blind_page
from vsr.report.blind.opinions import Opinions, RankedVersion, rank_opinions

__all__ = ["Opinions", "RankedVersion", "make_blind_page", "rank_opinions"]
