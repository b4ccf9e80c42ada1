"""Manifests of earlier formats under today's names, so that old outputs can still be verified, compared and shown.

Only names changed since format 2. The seal covers the file as it was written and is checked before anything is renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["OLDEST_FORMAT", "rename_keys"]

OLDEST_FORMAT = 2
"""The earliest format that can be read."""

_RENAMED = {
    "mended_times": "repaired_times",
    "mended": "repaired",
    "told_blur_px": "condition_blur_px",
    "told_noise_codes": "condition_noise_codes",
    "evenly_weighed": "evenly_weighted",
}
"""From format 2 to 3, in ``damage``, ``findings`` and ``curves``."""


def rename_keys(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """``manifest``, of any format from `OLDEST_FORMAT` on, with today's keys; parts that it lacks are left out."""
    new = dict(manifest)
    if "damage" in new:
        new["damage"] = _rename(new["damage"])
    if "method" in new:
        new["method"] = _in_parts(new["method"])
    if "segments" in new:
        new["segments"] = [_in_parts(segment) for segment in new["segments"]]
    return new


def _in_parts(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _rename(value) if key in ("findings", "curves") else value for key, value in part.items()}


def _rename(part: Mapping[str, Any]) -> dict[str, Any]:
    return {_RENAMED.get(key, key): value for key, value in part.items()}
