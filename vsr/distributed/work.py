"""What workers do: look at a file, pass over it, make a segment. Runs in the workers' processes."""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from vsr.distributed.dispatch import WorkerInfo
from vsr.pipeline.job import Job, resolve_device
from vsr.pipeline.planfile import load_plan, store_plan
from vsr.pipeline.request import Request, at_hand
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.sidecar import SegmentPaths, device_class, software_versions
from vsr.pipeline.source import SourcePass, SourceSummary
from vsr.pipeline.storage import WorkFolder, describe_by_url
from vsr.pipeline.worker import Finish, SegmentWorker, fix_threads

__all__ = ["Beat", "Found", "Passed", "Prepare", "Prepared", "Receipt", "Restore", "Scan", "Shared", "VideoHost"]

_REPORT_SECONDS = 0.5
R = TypeVar("R")


class Shared(Protocol):
    """A job that is sent to each worker once."""

    def get(self) -> Job:
        """The job."""
        ...


@dataclass(frozen=True)
class Beat:
    """Sign of life: images made so far."""

    images: int = 0


@dataclass(frozen=True)
class Prepared:
    """A file was looked at."""

    job: Job
    kind: str
    """Class of the device that the job is for."""


@dataclass(frozen=True)
class Found:
    """A segment is known."""

    index: int
    start: int
    stop: int
    plan: str
    """Name of its plan in the work folder."""


@dataclass(frozen=True)
class Passed:
    """The whole source was passed over."""

    summary: SourceSummary


@dataclass(frozen=True)
class Receipt:
    """A segment is finished in the work folder."""

    index: int
    key: str
    num_images: int
    reused: bool


class VideoHost:
    """A worker's open source and ready restorer, kept while it makes segments of one file."""

    def __init__(self, device: str, must_see: Sequence[Path] = ()) -> None:
        """``device`` as in the settings; ``must_see`` are paths that should exist here."""
        self._device, self._must_see = device, must_see
        self._open: tuple[str, SegmentWorker] | None = None
        self._jobs: tuple[str, Job] | None = None
        self._copy = ExitStack()

    def describe(self) -> WorkerInfo:
        """See `vsr.distributed.dispatch.Host`."""
        kind = device_class(resolve_device(self._device))
        unseen = tuple(str(path) for path in self._must_see if not path.exists())
        return WorkerInfo("", platform.node(), kind, software_versions(), unseen)

    def job(self, token: str, shared: Shared) -> Job:
        """The job of the file called ``token``, with its source as this machine sees it."""
        if self._jobs is None or self._jobs[0] != token:
            self._jobs = None
            self._copy.close()
            self._jobs = (token, self._copy.enter_context(at_hand(shared.get())))
        return self._jobs[1]

    def segment_worker(self, token: str, job: Job, work: WorkFolder) -> SegmentWorker:
        """The worker for segments of that file; what was open for another is closed."""
        if self._open is None or self._open[0] != token:
            self.release()
            self._open = (token, SegmentWorker(job, work, cores=job.settings.num_cpus))
        return self._open[1]

    def release(self) -> None:
        """Close what is open."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


@dataclass(frozen=True)
class Prepare:
    """Look at a file and decide everything about it."""

    request: Request

    def run(self, host: VideoHost) -> Iterator[Any]:
        """Yields a `Prepared`."""
        job = self.request.plan()
        yield Prepared(job, device_class(job.device))


@dataclass(frozen=True)
class Scan:
    """Pass over a file and find its segments."""

    token: str
    shared: Shared
    work: WorkFolder

    def run(self, host: VideoHost) -> Iterator[Any]:
        """Yields a `Found` for each segment, and `Passed` at the end."""
        job = host.job(self.token, self.shared)
        fix_threads(job, job.settings.num_cpus)
        with describe_by_url(job.info.path, job.source_url), SourcePass(job) as source:
            yield Beat()
            for planned in source.segments():
                segment = planned.segment
                yield Found(segment.index, segment.start, segment.stop, store_plan(self.work, planned))
            while not source.is_resolved(_REPORT_SECONDS):
                yield Beat()
            yield Passed(source.summary())


@dataclass(frozen=True)
class Restore:
    """Make a segment."""

    token: str
    shared: Shared
    work: WorkFolder
    plan: str
    """Name of its plan in the work folder."""

    def run(self, host: VideoHost) -> Iterator[Any]:
        """Yields `Beat` now and then, and a `Receipt` at the end."""
        job = host.job(self.token, self.shared)
        try:
            with describe_by_url(job.info.path, job.source_url):
                worker = host.segment_worker(self.token, job, self.work)
                planned: PlannedSegment = load_plan(self.work, self.plan)
                yield Beat()
                with closing(worker.encode(planned)) as encoding:
                    finish: Finish = yield from _seldom(encoding)
                result = finish()
            paths = SegmentPaths.of(self.work.path, result.index, result.key)
            self.work.forget(paths.media.name, paths.sidecar.name)
        except BaseException:
            host.release()  # whatever state it was left in
            raise
        yield Receipt(result.index, result.key, len(result.packets), result.reused)


def _seldom(counts: Generator[int, None, R]) -> Generator[Beat, None, R]:
    """Counts of images as `Beat`, a few a second; returns what ``counts`` returns."""
    reported = time.monotonic()
    while True:
        try:
            count = next(counts)
        except StopIteration as end:
            value: R = end.value
            return value
        now = time.monotonic()
        if now - reported >= _REPORT_SECONDS:
            reported = now
            yield Beat(count)
