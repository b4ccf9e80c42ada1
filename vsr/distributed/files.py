"""A batch as tasks: every file is looked at, passed over, made in segments and put together; all from one queue."""

from __future__ import annotations

import heapq
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vsr.distributed.dispatch import Failure, Task, WorkerInfo
from vsr.distributed.work import Beat, Found, Passed, Prepare, Prepared, Receipt, Restore, Scan, Shared
from vsr.errors import DamageError, InputError, MachineError, UsageError, VerificationError, VsrError
from vsr.pipeline.executor import OnOutcome
from vsr.pipeline.job import Job
from vsr.pipeline.objects import is_url
from vsr.pipeline.progress import OnProgress, Progress
from vsr.pipeline.request import Outcome, Request
from vsr.pipeline.run import FileRun
from vsr.pipeline.sidecar import SegmentResult, load_result
from vsr.pipeline.source import SourceSummary

__all__ = ["Files"]

_ASSEMBLERS = 2


@dataclass(eq=False)
class _File:
    """Where one file stands."""

    request: Request
    token: str
    order: tuple[int, int] = (0, 0)
    """Longest first, then as given."""
    kind: str = ""
    run: FileRun | None = None
    shared: Shared | None = None
    receipts: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """Of finished segments: the key, and whether it was found finished."""
    num_found: int = 0
    num_waiting: int = 0
    """Segments that are known and not settled."""
    is_passed: bool = False
    """Whether the pass is over, well or not."""
    source: SourceSummary | None = None
    """What it learnt."""
    problem: VsrError | None = None
    """The first thing that cannot be repaired; the rest is finished all the same."""
    is_resolved: bool = False


@dataclass(eq=False)
class _Segment:
    """One that waits for a worker or is being made."""

    file: _File
    found: Found


class Files:
    """The workload of a batch; see `vsr.distributed.dispatch.Workload`."""

    def __init__(
        self,
        requests: Sequence[Request],
        share: Callable[[Job], Shared],
        on_progress: OnProgress,
        on_outcome: OnOutcome,
    ) -> None:
        self._share, self._on_progress, self._on_outcome = share, on_progress, on_outcome
        self._files = [_File(request, str(number)) for number, request in enumerate(requests)]
        self._to_prepare = [file for file in reversed(self._files) if not is_url(file.request.source)]
        self._to_copy = [file for file in reversed(self._files) if is_url(file.request.source)]
        self._to_scan: list[_File] = []  # kept in order
        self._ready: dict[str, list[tuple[tuple[int, int], int, _Segment]]] = {}  # heaps by class of device
        self._about: dict[Task, _File | _Segment] = {}
        self._stages: queue.SimpleQueue[Progress] = queue.SimpleQueue()
        self._assembling: dict[Future[dict[str, Any]], _File] = {}
        self._pool = ThreadPoolExecutor(_ASSEMBLERS, thread_name_prefix="assemble")
        self._open = len(self._files)

    def close(self) -> None:
        """Leave everything as a later run wants it; what is being assembled is finished."""
        self._pool.shutdown(wait=True)
        self.tick()
        for file in self._files:
            if file.run is not None and not file.is_resolved:
                file.run.abandon()

    def next_task(self, worker: WorkerInfo, num_workers: int) -> Task | None:
        """Files are looked at first, so that the longest can begin; passes go ahead as far as workers need them.

        What must be copied from a store to be looked at is taken as it is given, and no sooner than it is needed.
        """
        if self._to_prepare:
            return self._prepare(self._to_prepare.pop())
        waiting = self._ready.get(worker.kind, [])
        if len(waiting) < num_workers:
            scan = self._next_scan(worker)
            if scan is not None:
                return scan
            if self._to_copy:
                return self._prepare(self._to_copy.pop())
        if not waiting:
            return None
        segment = heapq.heappop(waiting)[2]
        run, shared = segment.file.run, segment.file.shared
        assert run is not None
        assert shared is not None
        work = Restore(segment.file.token, shared, run.work, segment.found.plan)
        return self._task(segment, Task(work, worker.kind, _is_final_segment))

    def _prepare(self, file: _File) -> Task:
        return self._task(file, Task(Prepare(file.request.from_anywhere()), is_final=_is_final))

    def _next_scan(self, worker: WorkerInfo) -> Task | None:
        while file := next((file for file in self._to_scan if file.kind == worker.kind), None):
            self._to_scan.remove(file)
            assert file.run is not None
            assert file.shared is not None
            try:
                file.run.open()
            except VsrError as error:
                file.run = None  # not ours to tidy
                self._resolve(file, None, error)
                continue
            return self._task(file, Task(Scan(file.token, file.shared, file.run.work), worker.kind, _is_final))
        return None

    def _task(self, about: _File | _Segment, task: Task) -> Task:
        self._about[task] = about
        return task

    def item(self, task: Task, item: Any) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        about = self._about.get(task)
        if about is None:
            return  # it gave its result before its worker was lost, and is done again for nothing
        if isinstance(about, _Segment):
            self._segment_item(task, about, item)
        elif isinstance(item, Prepared):
            del self._about[task]
            self._prepared(about, item)
        elif isinstance(item, Found):
            self._add_found(about, item)
        elif isinstance(item, Passed):
            del self._about[task]
            about.is_passed, about.source = True, item.summary
            assert about.run is not None
            about.run.meter.planned(item.summary.num_frames)
            self._close_if_complete(about)

    def _prepared(self, file: _File, item: Prepared) -> None:
        request = file.request.from_anywhere()
        try:
            file.run = FileRun(
                item.job, work_base=request.work_base, overwrite=request.overwrite, on_progress=self._tell
            )
        except VsrError as error:
            self._resolve(file, None, error)
            return
        file.kind, file.shared = item.kind, self._share(item.job)
        file.order = (-item.job.video.num_frames_from_header, int(file.token))
        self._to_scan.append(file)
        self._to_scan.sort(key=lambda waiting: waiting.order)

    def _add_found(self, file: _File, found: Found) -> None:
        if found.index < file.num_found:  # a pass that had to be begun again finds the same ones
            return
        file.num_found += 1
        file.num_waiting += 1
        self._push(_Segment(file, found))

    def _push(self, segment: _Segment) -> None:
        heapq.heappush(
            self._ready.setdefault(segment.file.kind, []), (segment.file.order, segment.found.index, segment)
        )

    def _segment_item(self, task: Task, segment: _Segment, item: Any) -> None:
        run = segment.file.run
        assert run is not None
        if isinstance(item, Beat):
            run.meter.frame(segment.found.index, item.images)
        elif isinstance(item, Receipt):
            del self._about[task]
            segment.file.receipts[item.index] = item.key, item.reused
            segment.file.num_waiting -= 1
            run.meter.segment(item.index, item.num_images, item.reused)
            self._close_if_complete(segment.file)

    def retry(self, task: Task) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        about = self._about.get(task)
        if isinstance(about, _Segment) and about.file.run is not None:
            about.file.run.meter.lost(about.found.index)

    def failed(self, task: Task) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        about = self._about.pop(task, None)
        if about is None:
            return  # it had given its result before
        if isinstance(about, _File):
            about.problem = _as_error(task.failures, str(about.request.source))
            about.is_passed = True
            about.num_waiting -= self._drop_waiting(about)
            self._close_if_complete(about)
            return
        file, found = about.file, about.found
        assert file.run is not None
        file.run.meter.lost(found.index)
        file.num_waiting -= 1
        what = f"{file.request.source}: segment {found.index} (frames {found.start} to {found.stop - 1})"
        file.problem = file.problem or _as_error(task.failures, what)
        self._close_if_complete(file)

    def _close_if_complete(self, file: _File) -> None:
        if not file.is_passed or file.num_waiting:
            return
        if file.problem is not None:
            self._resolve(file, None, file.problem)
        else:
            self._assembling[self._pool.submit(_finish, file)] = file

    def tick(self) -> None:
        """Hear of files that were put together."""
        for future in [future for future in self._assembling if future.done()]:
            file = self._assembling.pop(future)
            error = future.exception()
            if error is not None and not isinstance(error, VsrError):
                raise error
            self._resolve(file, None if error else future.result(), error)
        self._pass_on_progress()

    def _pass_on_progress(self) -> None:
        while not self._stages.empty():
            self._on_progress(self._stages.get())

    @property
    def num_waiting(self) -> int:
        """Segments that are known and wait for a worker."""
        return sum(map(len, self._ready.values()))

    @property
    def num_open(self) -> int:
        """Inputs that are not finished."""
        return self._open

    def subject(self, task: Task) -> Literal["file", "segment"] | None:
        """What a task is about; None once it is settled."""
        about = self._about.get(task)
        return None if about is None else "segment" if isinstance(about, _Segment) else "file"

    def is_finished(self) -> bool:
        """See `vsr.distributed.dispatch.Workload`."""
        return not self._open

    def unfit(self, kinds: set[str]) -> None:
        """Files whose class of device has gone are started over on one that is there."""
        for file in self._files:
            if file.run is None or file.is_resolved or file.kind in kinds or file in self._assembling.values():
                continue
            file.run.abandon()
            fresh = _File(file.request, file.token)
            self._files[self._files.index(file)] = fresh
            self._to_scan = [waiting for waiting in self._to_scan if waiting is not file]
            self._ready.pop(file.kind, None)
            self._to_prepare.append(fresh)

    def _tell(self, progress: Progress) -> None:
        """Progress comes from assembling threads, too; the caller hears it in his own."""
        self._stages.put(progress)

    def _drop_waiting(self, file: _File) -> int:
        """Forget segments of ``file`` that no worker has begun; returns how many."""
        waiting = self._ready.get(file.kind, [])
        kept = [entry for entry in waiting if entry[2].file is not file]
        dropped = len(waiting) - len(kept)
        waiting[:] = kept
        heapq.heapify(waiting)
        return dropped

    def _resolve(self, file: _File, manifest: dict[str, Any] | None, error: VsrError | None) -> None:
        if error is not None and file.run is not None:
            file.run.abandon()
        file.is_resolved, file.shared, file.run = True, None, None
        file.receipts = {}
        self._open -= 1
        self._pass_on_progress()
        self._on_outcome(Outcome(file.request.source, file.request.output, manifest, error))


def _is_final(error: Exception) -> bool:
    return isinstance(error, (UsageError, InputError))


def _is_final_segment(error: Exception) -> bool:
    return isinstance(error, (UsageError, DamageError))


def _as_error(failures: Sequence[Failure], what: str) -> VsrError:
    """The last failure with its place and how often it was tried."""
    last = failures[-1].error
    if len(failures) == 1 and isinstance(last, (UsageError, InputError)):
        return last
    text = str(last) if isinstance(last, VsrError) else f"{type(last).__name__}: {last}"
    times = "once" if len(failures) == 1 else f"{len(failures)} times"
    nodes = ", ".join(sorted({failure.worker.node for failure in failures}))
    kind = type(last) if isinstance(last, VsrError) else MachineError
    return kind(f"{what} failed {times} (on {nodes}), at last: {text}")


def _finish(file: _File) -> dict[str, Any]:
    """Put a file together from what is in its work folder; its manifest."""
    run, source = file.run, file.source
    assert run is not None
    assert source is not None
    results: list[SegmentResult] = []
    for index, (key, reused) in sorted(file.receipts.items()):
        result = load_result(run.work, index, key)
        if result is None:
            raise VerificationError(
                f"{file.request.output}: segment {index} is not in {run.work} as it was made; "
                "the same command makes it again"
            )
        results.append(replace(result, reused=reused))
    return run.finish(results, source)
