"""The default executor: one worker, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from vsr.pipeline.executor import OnFrame
from vsr.pipeline.job import Job
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.sidecar import SegmentResult
from vsr.pipeline.worker import SegmentWorker

__all__ = ["InProcess"]


class InProcess:
    """Makes segments one after the other; inside each, decoding, restoring and encoding overlap.

    While one segment's encoder is drained and its file closed, the next segment is already being made.
    """

    def run(
        self, job: Job, work: Path, segments: Iterable[PlannedSegment], on_frame: OnFrame
    ) -> Iterator[SegmentResult]:
        """See `vsr.pipeline.executor.Executor.run`."""
        worker = SegmentWorker(job, work)
        closing: Future[SegmentResult] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="finish") as pool:
            try:
                for planned in segments:
                    finish = worker.encode(planned, partial(on_frame, planned.segment.index))
                    if closing is not None:
                        yield closing.result()
                    closing = pool.submit(finish)
                if closing is not None:
                    yield closing.result()
            finally:
                worker.close()
