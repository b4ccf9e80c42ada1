"""The request for one file, and its outcome."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.errors import VsrError
from vsr.media.images import is_numbered
from vsr.media.looks import with_look
from vsr.media.probe import MediaInfo
from vsr.media.reading import look_at, probe
from vsr.methods import absolute_method
from vsr.pipeline.job import Job, Span, resolve_job
from vsr.pipeline.matching import follow_mark, marked_pair
from vsr.pipeline.objects import find_object, is_url
from vsr.pipeline.rehearsal import rehearse
from vsr.pipeline.settings import Settings
from vsr.pipeline.storage import local_place, stage
from vsr.timeline import parse_rate

__all__ = ["Outcome", "Request", "at_hand"]


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
    weights: str | None = None
    """The method with paths as they are seen from any folder, where that is not as the settings name it."""

    def from_anywhere(self) -> Request:
        """The same, to be planned in any folder of any machine that sees the same files."""
        source, output = (place if is_url(place) else Path(place).absolute() for place in (self.source, self.output))
        base = self.work_base.absolute() if self.work_base is not None else None
        method = absolute_method(self.settings.method)
        return dataclasses.replace(self, source=source, output=output, work_base=base, weights=method)

    def plan(self) -> Job:
        """Look at the source and decide everything. Raises `InputError`, `UsageError` or `MachineError`."""
        if not is_url(self.source):
            return self._plan(Path(self.source))
        url = str(self.source)
        facts = find_object(url)
        version = facts.version if facts is not None else None
        with stage(url, version) as copy:
            return dataclasses.replace(self._plan(copy), source_url=url, source_version=version)

    def plan_piped(self, info: MediaInfo) -> Job:
        """`plan` for a source that comes through a pipe, of which ``info`` is known."""
        return self._plan(Path(self.source), info)

    def _plan(self, source: Path, info: MediaInfo | None = None) -> Job:
        rate = parse_rate(self.settings.fps) if self.settings.fps is not None else None
        away = is_url(self.output)
        target = local_place(str(self.output)) if away else Path(self.output)
        if is_numbered(target) and target.parent.name in ("", ".."):
            target = Path(os.path.abspath(target))  # names are put beside the folder, which needs one itself
        settings = self.settings if self.weights is None else self.settings.model_copy(update={"method": self.weights})
        info = info or probe(source, rate, settings.video_stream)
        if settings.split and isinstance(self.span.start, int):
            info = with_look(info, look_at(info, settings.decoder_threads, self.span.start))
        followed, options = follow_mark(marked_pair(info), settings, self.options, str(self.source))
        job = rehearse(resolve_job(info, target, followed, options, self.span))
        url = str(self.output) if away else None
        kept = self.settings if followed is settings else followed
        return dataclasses.replace(job, settings=kept, output_url=url, preview=self.preview)


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


@contextmanager
def at_hand(job: Job) -> Iterator[Job]:
    """``job`` with its source where this machine has it, for as long as the context lasts; see `stage`."""
    if job.source_url is None:
        yield job
        return
    with stage(job.source_url, job.source_version) as copy:
        yield dataclasses.replace(job, info=dataclasses.replace(job.info, path=copy))
