"""The default executor: one worker, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from vsr.pipeline.executor import OnFrame
from vsr.pipeline.job import Job
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.sidecar import SegmentResult
from vsr.pipeline.worker import SegmentWorker

__all__ = ["InProcess"]


class InProcess:
    """Makes segments one after the other; inside each, decoding, restoring and encoding overlap."""

    def run(
        self, job: Job, work: Path, segments: Iterable[PlannedSegment], on_frame: OnFrame
    ) -> Iterator[SegmentResult]:
        """See `vsr.pipeline.executor.Executor.run`."""
        worker = SegmentWorker(job, work)
        try:
            for planned in segments:
                yield worker.run(planned, partial(on_frame, planned.segment.index))
        finally:
            worker.close()
