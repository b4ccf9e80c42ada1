"""Comparing an output with its record."""

from __future__ import annotations

from pathlib import Path

from vsr.api.arguments import PathLike
from vsr.pipeline.progress import OnProgress
from vsr.pipeline.verify import Check
from vsr.stills.make import OnStep as OnStillStep
from vsr.verifying import verify_any

__all__ = ["verify"]


def verify(
    output: PathLike,
    *,
    source: PathLike | None = None,
    recompute: bool = False,
    on_step: OnStillStep | None = None,
    on_progress: OnProgress | None = None,
) -> list[Check]:
    """Compare an output with its record ``OUTPUT.vsr.json``: the record itself, bytes, streams, frames, and the input.

    ``output`` is the output or its record; ``source`` is where the input is now, if not where the record says. With
    ``recompute`` the output is computed again, as recorded, and compared byte for byte. ``on_step`` gets
    the progress of a still, ``on_progress`` that of a video. A URL of an object store is copied here first. Raises
    `VerificationError` where the output or its record is missing, or is of another version, and `UsageError` where an
    output in a store is to be made again.
    """
    place = None if source is None else Path(source)
    steps, progress = on_step or (lambda what, done: None), on_progress or (lambda report: None)
    return verify_any(output, place, recompute, steps, progress)
