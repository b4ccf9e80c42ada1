"""What is wanted of one file, and what became of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.errors import VsrError
from vsr.media.reading import probe
from vsr.pipeline.job import Job, Span, resolve_job
from vsr.pipeline.settings import Settings
from vsr.pipeline.storage import is_url, local_place, stage

__all__ = ["Outcome", "Request"]


@dataclass(frozen=True)
class Request:
    """One file to restore; small enough to be sent anywhere."""

    source: str | Path
    """A path, or a URL of an object store."""
    output: str | Path
    settings: Settings
    options: Any
    """Options of the method."""
    span: Span
    overwrite: bool = False
    work_base: Path | None = None
    """Where the work folder goes; None: beside the output."""
    preview: Path | None = None
    """See `vsr.pipeline.job.Job`."""

    def plan(self) -> Job:
        """Look at the source and decide everything. Raises `InputError`, `UsageError` or `MachineError`."""
        rate = Fraction(self.settings.fps) if self.settings.fps is not None else None
        info = probe(stage(self.source), rate)
        away = is_url(self.output)
        target = local_place(str(self.output)) if away else Path(self.output)
        job = resolve_job(info, target, self.settings, self.options, self.span)
        return dataclasses.replace(
            job,
            source_url=str(self.source) if is_url(self.source) else None,
            output_url=str(self.output) if away else None,
            preview=self.preview,
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    input: str | Path
    output: str | Path
    manifest: Mapping[str, Any] | None
    """What ``OUTPUT.vsr.json`` says; None where the input failed."""
    error: VsrError | None = None
    """Why it failed."""
    was_done: bool = False
    """Whether an earlier run had finished it, so that nothing was left to do."""
