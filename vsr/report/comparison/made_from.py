"""Whether one video was made from another, by its manifest, and what the manifest says of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vsr.errors import VsrError
from vsr.media.probe import MediaInfo
from vsr.observation.degradation import DEGRADATIONS
from vsr.pipeline.manifest import load_manifest

__all__ = ["assumed_degradation", "manifest_of"]


def manifest_of(output: Path, source: Path) -> Mapping[str, Any] | None:
    """The manifest of ``output``, if it says that it was made from ``source``; else None."""
    try:
        manifest = load_manifest(output)
        return manifest if Path(manifest["input"]["path"]).samefile(source) else None
    except (VsrError, OSError, KeyError, ValueError, TypeError):
        return None  # no output of ours, or nothing that can be relied on


def assumed_degradation(infos: Sequence[MediaInfo]) -> str | None:
    """How the method that made one of the first two videos from the other takes the latter to have come about.

    None where neither was made from the other, or in a way that this version does not know.
    """
    for source, output in ((0, 1), (1, 0)):
        manifest = manifest_of(infos[output].path, infos[source].path)
        if manifest is not None:
            name = manifest.get("method", {}).get("assumed_degradation")
            return name if name in DEGRADATIONS else None
    return None
