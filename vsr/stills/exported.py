"""Exported frames exported again, as their record says, and compared."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.errors import MachineError, VsrError
from vsr.media.reading import is_there
from vsr.pipeline.differences import between_videos, describe_elsewhere, meaning
from vsr.pipeline.job import Span
from vsr.pipeline.manifest import load_manifest
from vsr.pipeline.progress import OnProgress
from vsr.pipeline.sidecar import device_class, software_versions
from vsr.pipeline.verify import Check
from vsr.stills.frames import export_frames

__all__ = ["export_again", "is_export"]

_WHAT = "made again"


def is_export(record: Mapping[str, Any]) -> bool:
    """Whether a record is that of exported frames."""
    return record.get("kind") == "frames"


def export_again(output: Path, source: Path | None, on_progress: OnProgress) -> Check:
    """Export the frames of ``output`` again, from ``source`` or from where its record says, and compare the files."""
    del on_progress  # it is quick
    manifest = load_manifest(output)
    path = source or Path(manifest["input"]["path"])
    if not is_there(path):
        return Check(_WHAT, False, f"not made: {path} is not here")
    start, stop = (_position(manifest["span"][name]) for name in ("start", "stop"))
    settings = manifest["settings"]
    choice = {"fps": settings["fps"], "video_stream": settings.get("video_stream")}
    try:
        folder = Path(tempfile.mkdtemp(prefix=".vsr-recompute-", dir=output.parent.parent))
    except OSError as error:
        raise MachineError(f"cannot write beside {output.parent}: {error.strerror or error}") from error
    try:
        again = folder / output.parent.name / output.name
        found = export_frames(path, again, Span(start, stop), **choice, overwrite=False).manifest["output"]["files"]
        recorded = manifest["output"]["files"]
        if sorted(found.values()) == sorted(recorded.values()):  # names changed: once images were numbered from 1
            return Check(_WHAT, True, f"identical bytes, {len(found)} files")
        elsewhere = describe_elsewhere(manifest, device_class("cpu"), software_versions())
        difference = between_videos(output, again)
        means = meaning(is_rounding=difference.is_rounding, elsewhere=elsewhere)
        return Check(_WHAT, False, f"other bytes; {difference}{elsewhere}{means}")
    except VsrError as error:
        return Check(_WHAT, False, f"not made: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _position(said: int | str | None) -> int | Fraction | None:
    return Fraction(said) if isinstance(said, str) else said
