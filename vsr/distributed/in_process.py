"""The default executor: one worker, in this process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from typing import Any

from vsr.distributed.interrupts import gentle_interrupts
from vsr.errors import Interrupted, MachineError, VsrError
from vsr.overlap import Overlap
from vsr.pipeline.executor import OnOutcome
from vsr.pipeline.progress import Meter, OnProgress
from vsr.pipeline.request import Outcome, Request, at_hand
from vsr.pipeline.run import FileRun
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.sidecar import SegmentResult
from vsr.pipeline.source import SourcePass
from vsr.pipeline.worker import Finish, SegmentWorker, fix_threads

__all__ = ["InProcess", "restore_segments"]

_PLAN_AHEAD = 32
_STEPS_AHEAD = 2
_GRACE_SECONDS = 60.0  # that a segment may still take once the user has asked to stop


class InProcess:
    """Restores files one after the other, and each in segments one after the other.

    Inside a segment, decoding, restoring and encoding overlap; so does the pass that finds the segments.
    While one segment's encoder is drained and its file closed, the next segment is already being made.
    """

    def run(self, requests: Sequence[Request], on_progress: OnProgress, on_outcome: OnOutcome) -> None:
        """See `vsr.pipeline.executor.Executor.run`."""
        for request in requests:
            try:
                outcome = Outcome(request.source, request.output, _restore(request, on_progress))
            except Interrupted:
                raise
            except VsrError as error:
                outcome = Outcome(request.source, request.output, None, error)
            except OSError as error:  # of this file alone: others may go well
                reason = MachineError(f"{request.source}: {error.filename or 'the machine'}: {error.strerror or error}")
                reason.__cause__ = error
                outcome = Outcome(request.source, request.output, None, reason)
            on_outcome(outcome)


def _restore(request: Request, on_progress: OnProgress) -> dict[str, Any]:
    """One file; its manifest. Finished segments stay where an error ends it."""
    job = request.plan()
    run = FileRun(job, work_base=request.work_base, overwrite=request.overwrite, on_progress=on_progress)
    run.open()
    try:
        fix_threads(job)
        run.meter.tell("restoring")
        with at_hand(job) as here, SourcePass(here) as source:
            with Overlap(_plan(source, run), _PLAN_AHEAD, "scan") as planned:
                results = restore_segments(SegmentWorker(here, run.work), run.meter, planned, is_gentle=True)
            return run.finish(results, source.summary())
    except BaseException:
        run.abandon()
        raise


def _plan(source: SourcePass, run: FileRun) -> Iterator[PlannedSegment]:
    yield from source.segments()
    run.meter.planned(source.num_frames)


def restore_segments(
    worker: SegmentWorker, meter: Meter, segments: Iterable[PlannedSegment], *, is_gentle: bool = False
) -> list[SegmentResult]:
    """A result for every segment, each counted when it is finished; ``worker`` is closed at the end.

    The work is done in a thread of its own. Python raises an interrupt in the main thread, wherever that is, and
    PyAV swallows one that comes while it writes.

    Where it ``is_gentle`` the first Ctrl-C lets the segment in hand be finished, for a minute at most; then this raises
    `Interrupted`.
    """
    results: list[SegmentResult] = []
    asked: float | None = None
    with (
        gentle_interrupts(_tell_stopping) if is_gentle else nullcontext(lambda: False) as is_stopping,
        Overlap(_steps(worker, segments, is_stopping), _STEPS_AHEAD, "encode") as steps,
    ):
        for index, step in steps:
            if isinstance(step, int):
                meter.frame(index, step)
            else:
                meter.segment(index, len(step.packets), step.reused)
                results.append(step)
            if is_stopping():
                asked = asked or time.monotonic()
                if time.monotonic() - asked > _GRACE_SECONDS:
                    break
        if is_stopping():
            raise Interrupted("stopped; what is finished is kept, and the same command goes on from there")
    return results


def _tell_stopping() -> None:
    print(  # noqa: T201
        f"vsr: finishing the segment that is being made, for {_GRACE_SECONDS:.0f} s at most; Ctrl-C again stops now",
        file=sys.stderr,
    )


def _steps(
    worker: SegmentWorker, segments: Iterable[PlannedSegment], is_stopping: Callable[[], bool]
) -> Iterator[tuple[int, int | SegmentResult]]:
    """Which segment, and how many of its images are encoded, or what became of it; no new one once it is to stop."""
    last: Future[SegmentResult] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="finish") as pool:
        try:
            for planned in segments:
                if is_stopping():
                    break
                finish = yield from _encode(worker, planned)
                if last is not None:
                    yield _finish(last)
                last = pool.submit(finish)
            if last is not None:
                yield _finish(last)
        finally:
            worker.close()


def _encode(worker: SegmentWorker, planned: PlannedSegment) -> Generator[tuple[int, int], None, Finish]:
    with closing(worker.encode(planned)) as encoding:
        while True:
            try:
                yield planned.segment.index, next(encoding)
            except StopIteration as end:
                finish: Finish = end.value
                return finish


def _finish(future: Future[SegmentResult]) -> tuple[int, SegmentResult]:
    result = future.result()
    return result.index, result
