"""Whether one video was made from another, by its manifest, and what the manifest says of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.errors import VsrError
from vsr.media.images import is_image_sequence
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe, probe_output
from vsr.observation.degradation import DEGRADATIONS
from vsr.pipeline.manifest import load_manifest, manifest_path

__all__ = ["assumed_degradation", "manifest_of", "probe_related"]


def manifest_of(output: Path, source: Path) -> Mapping[str, Any] | None:
    """The manifest of ``output``, if it says that it was made from ``source``; else None."""
    try:
        manifest = load_manifest(output)
        return manifest if Path(manifest["input"]["path"]).samefile(source) else None
    except (VsrError, OSError, KeyError, ValueError, TypeError):
        return None  # no output of ours, or nothing that can be relied on


def probe_related(path: Path, others: Sequence[Path], fps: Fraction | None) -> MediaInfo:
    """What ``path`` holds: of several videos the one that vsr restored, or that one of ``others`` was made from."""
    if manifest_path(path).is_file() and not is_image_sequence(path):
        return probe_output(path)
    made = (manifest_of(other, path) for other in others)
    chosen = next((manifest["settings"].get("video_stream") for manifest in made if manifest is not None), None)
    return probe(path, fps, chosen)


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
