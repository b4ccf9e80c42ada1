"""Who does what next: tasks for workers that may fail, and another try for what failed. Knows nothing of Ray.

One task is in flight on each worker. A task whose worker died, hung or refused is tried on another one, up to a
bound; only what had been started is charged for it. The loop has one thread and no state but what is here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vsr.errors import Interrupted

__all__ = ["Dispatcher", "Event", "Failure", "Host", "Limits", "Pool", "Task", "Work", "WorkerInfo", "Workload"]

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.2
_UNSTARTED_TRIES = 10


class Host(Protocol):
    """What a worker's process keeps between tasks: open sources, a loaded model."""

    def describe(self) -> WorkerInfo:
        """Who this is; its ``id`` is given by the pool."""
        ...


class Work(Protocol):
    """What is sent to a worker."""

    def run(self, host: Any) -> Iterator[Any]:
        """Do it there; what is yielded comes back one by one, the first when everything is loaded."""
        ...


@dataclass(frozen=True)
class WorkerInfo:
    """A worker that is ready."""

    id: str
    node: str
    """Name of its machine."""
    kind: str
    """Class of its device: within one, equal input gives equal bytes."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of the software that decides bytes."""
    unseen: tuple[str, ...] = ()
    """Paths that should be visible there and are not."""


@dataclass(frozen=True)
class Failure:
    """One attempt that did not succeed."""

    worker: WorkerInfo
    error: Exception
    is_loss: bool
    """Whether the worker was lost with it."""

    def __str__(self) -> str:
        return f"{self.error} (on {self.worker.node})"


@dataclass(eq=False)
class Task:
    """Something to be done by one worker."""

    work: Work
    kind: str | None = None
    """Class of device it needs; None: any."""
    is_final: Callable[[Exception], bool] = lambda error: False
    """Whether another try is pointless after this error."""
    failures: list[Failure] = field(default_factory=list)
    unstarted: int = 0
    """How often it was given to a worker that turned out to be dead."""


@dataclass(frozen=True)
class Event:
    """What a pool heard of a worker."""

    worker: str
    what: str
    """``ready`` (value: `WorkerInfo`), ``item``, ``done``, ``failed`` (value: the error) or ``lost`` (value: why)."""
    value: Any = None


class Pool(Protocol):
    """Workers. A lost one is replaced without being asked, as long as that makes sense."""

    def start(self, worker: str, work: Work) -> None:
        """Give an idle worker something to do."""
        ...

    def wait(self, timeout: float) -> Sequence[Event]:
        """What happened, waiting up to ``timeout`` seconds for it. Raises `MachineError` once no worker can come."""
        ...

    def end(self, worker: str) -> None:
        """End a worker at once; no ``lost`` follows."""
        ...


class Workload(Protocol):
    """Where tasks come from and where their results go. All methods are called by the loop's thread."""

    def next_task(self, worker: WorkerInfo, num_workers: int) -> Task | None:
        """Something for this worker to do now."""
        ...

    def item(self, task: Task, item: Any) -> None:
        """A running task has yielded something."""
        ...

    def retry(self, task: Task) -> None:
        """What a task had done so far is gone; it will be tried again."""
        ...

    def failed(self, task: Task) -> None:
        """A task has failed for good; its ``failures`` say why."""
        ...

    def tick(self) -> None:
        """Called often."""
        ...

    def is_finished(self) -> bool:
        """Whether nothing is left to do and nothing can come."""
        ...

    def unfit(self, kinds: set[str]) -> None:
        """Nothing runs, though workers of these device classes are idle and something is left to do."""
        ...


@dataclass(frozen=True)
class Limits:
    """When to give up."""

    attempts: int = 3
    """Tries of one task."""
    stall_seconds: float = 600.0
    """Without any item from a running task."""
    load_seconds: float = 3600.0
    """Until the first item: sources are copied and models are loaded first."""


@dataclass
class _Running:
    task: Task
    heard: float
    has_started: bool = False
    num_items: int = 0


class Dispatcher:
    """The loop."""

    def __init__(
        self, pool: Pool, workload: Workload, limits: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool, self._workload, self._limits, self._clock = pool, workload, limits, clock
        self._idle: dict[str, WorkerInfo] = {}
        self._busy: dict[str, tuple[WorkerInfo, _Running]] = {}
        self._again: list[Task] = []
        self._unfit_since: float | None = None

    def run(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Until all is done. Once ``is_stopping`` says so, only what runs is finished; raises `Interrupted` then."""
        while True:
            stopping = is_stopping()
            if not stopping:
                self._assign()
            if not self._busy:
                if stopping:
                    raise Interrupted("stopped; what is finished is kept, and the same command goes on from there")
                if not self._again and self._workload.is_finished():
                    return
                self._look_for_unfit()
            else:
                self._unfit_since = None
            for event in self._pool.wait(_POLL_SECONDS):
                self._hear(event)
            self._end_stalled()
            self._workload.tick()

    def _assign(self) -> None:
        for worker in list(self._idle.values()):
            task = self._task_for(worker)
            if task is None:
                continue
            del self._idle[worker.id]
            self._busy[worker.id] = (worker, _Running(task, self._clock()))
            self._pool.start(worker.id, task.work)

    def _task_for(self, worker: WorkerInfo) -> Task | None:
        for task in self._again:
            if task.kind in (None, worker.kind) and self._may_retry(task, worker):
                self._again.remove(task)
                return task
        return self._workload.next_task(worker, len(self._idle) + len(self._busy))

    def _look_for_unfit(self) -> None:
        """Idle workers and work, but not for them: those it is for had time to come back."""
        if self._unfit_since is None or not self._idle:
            self._unfit_since = self._clock()
        elif self._clock() - self._unfit_since > self._limits.stall_seconds:
            kinds = {worker.kind for worker in self._idle.values()}
            self._again = [task for task in self._again if task.kind is None or task.kind in kinds]
            self._workload.unfit(kinds)
            self._unfit_since = None

    def _may_retry(self, task: Task, worker: WorkerInfo) -> bool:
        """Somewhere new: another machine where there is one, else another worker, else anywhere."""
        others = [other for other in self._workers() if task.kind in (None, other.kind)]
        for place in (_node, _worker):
            tried = {place(failure.worker) for failure in task.failures}
            if any(place(other) not in tried for other in others):
                return place(worker) not in tried
        return True

    def _workers(self) -> Iterator[WorkerInfo]:
        yield from self._idle.values()
        for worker, _ in self._busy.values():
            yield worker

    def _hear(self, event: Event) -> None:
        if event.what == "ready":
            self._idle[event.worker] = event.value
        elif event.what == "lost" and event.worker in self._idle:
            del self._idle[event.worker]
        elif event.worker in self._busy:
            self._hear_busy(event, *self._busy[event.worker])

    def _hear_busy(self, event: Event, worker: WorkerInfo, running: _Running) -> None:
        running.heard = self._clock()
        if event.what == "item":
            if running.has_started:  # the first item is the actor's own, before the work's first
                running.num_items += 1
                self._workload.item(running.task, event.value)
            running.has_started = True
            return
        del self._busy[event.worker]
        if event.what != "lost":
            self._idle[event.worker] = worker
        if event.what != "done":
            self._fail(worker, running, event.value, is_loss=event.what == "lost")

    def _fail(self, worker: WorkerInfo, running: _Running, error: Exception, *, is_loss: bool) -> None:
        task = running.task
        _log.info("an attempt failed on %s: %s", worker.node, error)
        if is_loss and not running.has_started and task.unstarted < _UNSTARTED_TRIES:
            task.unstarted += 1
        else:
            task.failures.append(Failure(worker, error, is_loss))
        if len(task.failures) < self._limits.attempts and not task.is_final(error):
            self._workload.retry(task)
            self._again.append(task)
        else:
            self._workload.failed(task)

    def _end_stalled(self) -> None:
        now = self._clock()
        for worker, running in list(self._busy.values()):
            limit = self._limits.stall_seconds if running.num_items else self._limits.load_seconds
            if now - running.heard > limit:
                del self._busy[worker.id]
                self._pool.end(worker.id)
                error = TimeoutError(f"no progress for {limit:g} s")
                running.has_started = True
                self._fail(worker, running, error, is_loss=True)


def _node(worker: WorkerInfo) -> str:
    return worker.node


def _worker(worker: WorkerInfo) -> str:
    return worker.id
