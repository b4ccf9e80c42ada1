"""Degradations learnt without pairs: from clean images, and from others that are degraded like those to be restored."""

from __future__ import annotations
