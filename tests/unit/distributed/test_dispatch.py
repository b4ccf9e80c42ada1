"""The dispatch loop against simulated workers that crash, refuse, hang and come back, on a simulated clock."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.distributed.dispatch import Dispatcher, Event, Limits, Task, Work, WorkerInfo
from vsr.errors import Interrupted


@dataclass(frozen=True)
class Job:
    """A piece of simulated work: what happens at each attempt, the last for ever."""

    name: int
    fates: tuple[str, ...] = ("well",)

    def run(self, host: Any) -> Iterator[Any]:
        raise AssertionError("simulated work is not run")


@dataclass
class SimulatedPool:
    """Workers that do as the job's fate says, one step a call of `wait`."""

    infos: list[WorkerInfo]
    clock: float = 0.0
    step: float = 1.0
    running: dict[str, deque[Event]] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    where: dict[int, list[str]] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    replaces: bool = True
    _new: list[Event] = field(default_factory=list)
    _number: int = 0

    def __post_init__(self) -> None:
        for info in self.infos:
            self._add(info)

    def _add(self, info: WorkerInfo) -> None:
        self._number += 1
        name = f"{info.node}/{self._number}"
        self._new.append(Event(name, "ready", replace(info, id=name)))

    def start(self, worker: str, work: Work) -> None:
        assert isinstance(work, Job)
        assert worker not in self.running, "one call in flight a worker"
        fate = work.fates[min(self.tries[work.name], len(work.fates) - 1)]
        self.tries[work.name] += 1
        self.where.setdefault(work.name, []).append(worker)
        started, item = Event(worker, "item", None), Event(worker, "item", work.name)
        self.running[worker] = deque(
            {
                "well": [started, item, Event(worker, "done")],
                "refuses": [started, item, Event(worker, "failed", ValueError("refused"))],
                "crashes": [started, item, Event(worker, "lost", RuntimeError("died"))],
                "was dead": [Event(worker, "lost", RuntimeError("was dead"))],
                "hangs": [started, item],
            }[fate]
        )

    def wait(self, timeout: float) -> Sequence[Event]:
        self.clock += self.step
        events, self._new = self._new, []
        for worker in list(self.running):
            if not self.running[worker]:
                continue  # hangs
            event = self.running[worker].popleft()
            events.append(event)
            if event.what in ("done", "failed", "lost"):
                del self.running[worker]
            if event.what == "lost":
                self._replace(worker)
        return events

    def end(self, worker: str) -> None:
        self.ended.append(worker)
        del self.running[worker]
        self._replace(worker)

    def _replace(self, worker: str) -> None:
        if self.replaces:
            self._add(next(info for info in self.infos if info.node == worker.partition("/")[0]))


@dataclass
class Listed:
    """A workload from a list."""

    jobs: list[Job]
    kinds: dict[int, str] = field(default_factory=dict)
    is_final: Any = lambda error: False
    items: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    given_up: dict[int, Task] = field(default_factory=dict)
    without_workers: list[set[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = list(self.jobs)

    def next_task(self, worker: WorkerInfo, num_workers: int) -> Task | None:
        for job in self.left:
            kind = self.kinds.get(job.name)
            if kind in (None, worker.kind):
                self.left.remove(job)
                self.tasks.append(Task(job, kind, self.is_final))
                return self.tasks[-1]
        return None

    def item(self, task: Task, item: Any) -> None:
        self.items.append(item)

    def retry(self, task: Task) -> None:
        assert isinstance(task.work, Job)
        self.lost.append(task.work.name)

    def failed(self, task: Task) -> None:
        assert isinstance(task.work, Job)
        self.given_up[task.work.name] = task

    def tick(self) -> None:
        pass

    def is_finished(self) -> bool:
        return not self.left

    def unfit(self, kinds: set[str]) -> None:
        self.without_workers.append(kinds)
        self.left = []


def _workers(count: int, kind: str = "cpu") -> list[WorkerInfo]:
    return [WorkerInfo("", f"node{number}", kind) for number in range(count)]


def _run(pool: SimulatedPool, load: Listed, limits: Limits | None = None, **more: Any) -> None:
    Dispatcher(pool, load, limits or Limits(attempts=3, stall_seconds=20, load_seconds=50), lambda: pool.clock).run(
        **more
    )


@given(
    st.lists(st.lists(st.sampled_from(["well", "refuses", "crashes", "was dead", "hangs"]), max_size=4), max_size=30),
    st.integers(1, 5),
)
@settings(max_examples=150, deadline=None)
def test_whatever_fails_every_task_is_settled_once(fates: list[list[str]], num_workers: int) -> None:
    jobs = [Job(number, (*some, "well")) for number, some in enumerate(fates)]
    pool, load = SimulatedPool(_workers(num_workers)), Listed(jobs)
    _run(pool, load)
    assert not pool.running
    for job in jobs:
        charged = [fate for fate in job.fates if fate != "was dead"]
        failures = charged.index("well")
        assert (job.name in load.given_up) == (failures >= 3)
        if job.name not in load.given_up:
            assert pool.tries[job.name] == job.fates.index("well") + 1
            assert load.items.count(job.name) == failures + 1  # each attempt that began reported itself


def test_a_task_is_tried_on_another_machine_first() -> None:
    pool, load = SimulatedPool(_workers(3)), Listed([Job(0, ("refuses",))])
    _run(pool, load)
    assert len({worker.partition("/")[0] for worker in pool.where[0]}) == 3
    assert len(load.given_up[0].failures) == 3
    assert all("refused (on node" in str(failure) for failure in load.given_up[0].failures)


def test_without_another_machine_another_worker_and_without_that_the_same() -> None:
    for count in (2, 1):
        one_node = [WorkerInfo("", "node", "cpu")] * count
        pool, load = SimulatedPool(one_node), Listed([Job(0, ("refuses",))])
        _run(pool, load)
        assert len(pool.where[0]) == 3
        assert len(set(pool.where[0])) == count


def test_an_error_that_is_final_is_not_tried_again() -> None:
    pool, load = (
        SimulatedPool(_workers(3)),
        Listed([Job(0, ("refuses",))], is_final=lambda e: isinstance(e, ValueError)),
    )
    _run(pool, load)
    assert pool.tries[0] == 1
    assert not load.lost


def test_a_hang_is_ended_by_missing_progress_not_by_total_time() -> None:
    """Twenty seconds without an item end it; work that takes longer but tells of itself goes on."""
    pool, load = SimulatedPool(_workers(1), step=15), Listed([Job(0), Job(1, ("hangs", "well")), Job(2)])
    _run(pool, load)
    assert not load.given_up
    assert len(pool.ended) == 1
    assert pool.tries == {0: 1, 1: 2, 2: 1}


def test_loading_has_a_deadline_of_its_own() -> None:
    @dataclass
    class Loading(SimulatedPool):
        def start(self, worker: str, work: Work) -> None:
            super().start(worker, work)
            self.running[worker] = deque([self.running[worker][0]])  # begun, and nothing more

    pool, load = Loading(_workers(1), step=10), Listed([Job(0)])
    _run(pool, load, Limits(attempts=1, stall_seconds=20, load_seconds=100))
    assert "no progress for 100 s" in str(load.given_up[0].failures[0].error)


def test_dead_workers_are_not_charged_to_the_task_but_not_for_ever() -> None:
    pool, load = SimulatedPool(_workers(2)), Listed([Job(0, ("was dead",) * 6)])
    _run(pool, load)
    assert pool.tries[0] == 13  # ten that had not begun, three that are then charged
    assert len(load.given_up[0].failures) == 3


def test_stopping_finishes_what_runs_and_starts_nothing() -> None:
    pool, load = SimulatedPool(_workers(2)), Listed([Job(number) for number in range(50)])
    with pytest.raises(Interrupted):
        _run(pool, load, is_stopping=lambda: len(load.items) >= 5)
    assert not pool.running
    assert sum(pool.tries.values()) == len(load.items) < 10


def test_tasks_go_to_their_kind_of_device_alone() -> None:
    pool = SimulatedPool([*_workers(2, "cpu"), WorkerInfo("", "big", "cuda")])
    load = Listed([Job(number, ("crashes", "well")) for number in range(20)], dict.fromkeys(range(10), "cuda"))
    _run(pool, load)
    for number in range(10):
        assert {worker.partition("/")[0] for worker in pool.where[number]} == {"big"}


def test_work_whose_kind_of_device_has_gone_is_reported() -> None:
    pool = SimulatedPool([*_workers(1, "cpu"), WorkerInfo("", "big", "cuda")], replaces=False)
    load = Listed([Job(0, ("crashes",)), Job(1)], {0: "cuda", 1: "cuda"})
    _run(pool, load)
    assert load.without_workers == [{"cpu"}]


def test_losing_one_of_four_workers_costs_its_running_task_alone() -> None:
    rng = random.Random(3)
    jobs = [Job(number, ("crashes", "well") if number == 100 else ("well",)) for number in range(200)]
    rng.shuffle(jobs)
    pool, load = SimulatedPool(_workers(4), replaces=False), Listed(jobs)
    _run(pool, load)
    assert sum(pool.tries.values()) == 201
    assert load.lost == [100]
