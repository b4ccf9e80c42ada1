"""Jobs on the disk, and their order."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vsr.errors import MachineError, UsageError
from vsr.studio.choices import UpscaleChoice, parse_choice
from vsr.studio.jobs import Job, JobStore
from vsr.studio.places import Root
from vsr.studio.queue import Action, Queue


def _job(key: str, order: float, **more: object) -> Job:
    job = Job(key, "upscale", {"input": "a.mp4", "output": f"{key}.mp4"}, order)
    return replace(job, **more)  # type: ignore[arg-type]


def test_jobs_come_back_as_they_were(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    jobs = [
        _job("a", 1, state="done", finished="2026-01-01T00:00:00+00:00", seconds=2.5),
        _job("b", 2, state="paused", progress={"frames_done": 3}),
        _job("c", 3, state="failed", error="no room"),
        _job("d", 4, goal="paused", priority=-1, started="2026-01-01T00:00:00+00:00"),
    ]
    store.save(jobs)
    assert JobStore(tmp_path).load() == jobs
    store.forget(jobs[0])
    assert [job.id for job in store.load()] == ["b", "c", "d"]


def test_what_ran_when_the_studio_ended_goes_on_unless_it_was_asked_to_stop(tmp_path: Path) -> None:
    jobs = [
        _job("a", 1, state="running"),
        _job("b", 2, state="pausing", goal="paused"),
        _job("c", 3, state="pausing", goal="cancelled"),
    ]
    JobStore(tmp_path).save(jobs)
    loaded = JobStore(tmp_path).load()
    assert [(job.state, job.goal) for job in loaded] == [("waiting", None), ("paused", None), ("cancelled", None)]
    assert loaded[2].finished is not None


SOUND = {"format": 1, "id": "x", "kind": "upscale", "choice": {"input": "a.mp4", "output": "x.mp4"}, "order": 2}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "5", '"x"', "[" * 100_000, '{"format": 2}', '{"format": 1, "id": "x"}', "\0", "\xff"),
        *(
            json.dumps({**SOUND, **change})
            for change in (
                *({"choice": []}, {"priority": "high"}, {"order": "b"}, {"order": math.nan}, {"kind": []}, {"id": "y"}),
                *(
                    {"state": "asleep"},
                    {"goal": "running"},
                    {"seconds": None},
                    {"progress": 5},
                    {"finished": 5},
                    {"z": 1},
                ),
            )
        ),
    ],
)
def test_what_is_no_job_is_left_aside(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    store = JobStore(tmp_path)
    store.save([_job("a", 1)])
    (store.folder / "x.json").write_text(text)
    assert [job.id for job in store.load()] == ["a"]
    assert "x.json" in caplog.text
    assert (store.folder / "x.json").exists()
    (store.folder / "x.json").write_text(json.dumps(SOUND))
    assert [job.id for job in store.load()] == ["a", "x"]


def test_files_that_lead_elsewhere_are_no_jobs(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    (tmp_path / "x.json").write_text(json.dumps(SOUND))
    (store.folder / "x.json").symlink_to(tmp_path / "x.json")
    os.mkfifo(store.folder / "y.json")
    assert store.load() == []


def _queue(tmp_path: Path, *names: str) -> tuple[Queue, list[str]]:
    (tmp_path / "clip.mp4").write_bytes(b"video")
    root = Root(tmp_path)
    queue = Queue(root)
    keys = []
    for name in names:
        choice = parse_choice(UpscaleChoice, {"input": "clip.mp4", "output": name})
        keys.append(queue.add("upscale", choice.resolve(root, queue.taken())).id)
    return queue, keys


def _names(queue: Queue) -> list[str]:
    return [queue.order_of(job).output.stem for job in queue.jobs()]


def test_jobs_move_and_keep_their_places_over_a_restart(tmp_path: Path) -> None:
    async def act() -> None:
        queue, (a, b, c) = _queue(tmp_path, "a.mp4", "b.mp4", "c.mp4")
        assert _names(queue) == ["a", "b", "c"]
        await queue.act(c, "up")
        assert _names(queue) == ["a", "c", "b"]
        await queue.act(a, "last")
        assert _names(queue) == ["c", "b", "a"]
        await queue.act(a, "raise")
        await queue.act(a, "raise")
        assert _names(queue) == ["a", "c", "b"]
        assert queue.get(a).priority == 1
        await queue.act(c, "lower")
        assert _names(queue) == ["a", "b", "c"]
        await queue.act(b, "pause")
        assert queue.get(b).state == "paused"
        with pytest.raises(UsageError, match="cannot pause a job that is paused"):
            await queue.act(b, "pause")
        await queue.act(c, "cancel")
        with pytest.raises(UsageError, match="no place in the queue"):
            await queue.act(c, "up")
        again = Queue(Root(tmp_path))
        assert again.jobs() == queue.jobs()
        await again.act(c, "resume")
        await again.act(b, "remove")
        assert _names(Queue(Root(tmp_path))) == ["a", "c"]

    asyncio.run(act())


def test_two_jobs_never_make_one_file(tmp_path: Path) -> None:
    async def act() -> None:
        queue, _ = _queue(tmp_path, "a.mp4")
        choice = parse_choice(UpscaleChoice, {"input": "clip.mp4", "output": "a.mp4"})
        with pytest.raises(UsageError, match="another job in the queue makes it"):
            choice.resolve(Root(tmp_path), queue.taken())

    asyncio.run(act())


@pytest.mark.parametrize(
    ("kind", "choice"),
    [
        ("upscale", {"input": "../secret.mp4", "output": "out.mp4"}),
        ("upscale", {"input": "clip.mp4", "output": "../out.mp4"}),
        ("upscale", {"input": "clip.mp4", "output": "/tmp/out.mp4"}),
        ("upscale", {"input": "clip.mp4", "output": "out.mp4", "method": "/tmp/evil.pth"}),
        ("upscale", {"input": "clip.mp4", "output": "out.mp4", "overwrite": True}),
        ("upscale", {"input": "clip.mp4"}),
        ("still", {"input": "clip.mp4", "output": "out.png", "at": "--overwrite"}),
        ("shell", {"input": "clip.mp4", "output": "out.mp4"}),
    ],
)
def test_jobs_that_came_with_a_folder_do_nothing_that_the_page_could_not(
    tmp_path: Path, kind: str, choice: dict[str, object]
) -> None:
    """An unpacked archive may bring a hidden folder with jobs."""
    queue, [sound] = _queue(tmp_path, "a.mp4")
    queue.store.save([replace(queue.get(sound), id="evil", kind=kind, choice=choice)])
    assert [job.id for job in Queue(Root(tmp_path)).jobs()] == [sound]


def test_a_folder_of_jobs_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "jobs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MachineError, match="is a link"):
        JobStore(tmp_path / "state")


def test_a_job_that_breaks_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        queue, (a, b, c) = _queue(tmp_path, "a.mp4", "b.mp4", "c.mp4")
        refused, save = [], queue.store.save

        def left(job: Job) -> None:
            if job.id == a:
                raise RuntimeError("nobody thought of this")

        def full(jobs: list[Job]) -> None:
            if jobs[0].id == b and not refused:
                refused.append(b)
                raise MachineError("the queue cannot be written down: no space left on device")
            save(jobs)

        monkeypatch.setattr(queue, "_left", left)
        monkeypatch.setattr(queue.store, "save", full)
        monkeypatch.setattr("vsr.studio.queue._PATIENCE_SECONDS", 0.01)
        running = asyncio.create_task(queue.run())
        async with asyncio.timeout(30):
            while queue.get(c).state != "done":
                await asyncio.sleep(0.01)
        assert refused
        assert [queue.get(key).state for key in (a, b, c)] == ["failed", "done", "done"]
        assert "this is a bug" in (queue.get(a).error or "")
        await queue.close()
        await running

    asyncio.run(act())


ENDLESS = """
import signal, sys, time
def end(*said): sys.exit(130)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
print('{"event": "step"}', flush=True)
time.sleep(60)
"""


def _running(queue: Queue, monkeypatch: pytest.MonkeyPatch, program: str) -> asyncio.Task[None]:
    """The queue, whose jobs all run ``program``."""
    start = asyncio.create_subprocess_exec

    async def begin(*words: str, **options: Any) -> asyncio.subprocess.Process:
        return await start(sys.executable, "-c", program, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begin)
    monkeypatch.setattr("vsr.studio.queue._PATIENCE_SECONDS", 0.05)
    return asyncio.create_task(queue.run())


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


class _FullDisk:
    """Refuses to save while ``is_full``."""

    def __init__(self, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full, self._save = False, queue.store.save
        monkeypatch.setattr(queue.store, "save", self.save)

    def save(self, jobs: list[Job]) -> None:
        if self.is_full:
            raise MachineError("the queue cannot be written down: no space left on device")
        self._save(jobs)


@pytest.mark.parametrize(("action", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_full_disk_stops_no_button_from_stopping_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action, state: str
) -> None:
    async def act() -> None:
        queue, [a] = _queue(tmp_path, "a.mp4")
        disk, running = _FullDisk(queue, monkeypatch), _running(queue, monkeypatch, ENDLESS)
        await _until(lambda: queue.get(a).progress is not None)
        disk.is_full = True
        with pytest.raises(MachineError):
            await queue.act(a, action)
        await _until(lambda: queue.get(a).state == state)
        await asyncio.sleep(0.2)  # it is not begun again, however often saving is tried
        assert queue.get(a).state == state
        disk.is_full = False
        await _until(lambda: queue.store.load() == [queue.get(a)])
        await queue.close()
        await running

    asyncio.run(act())


def test_an_error_is_kept_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        queue, [a] = _queue(tmp_path, "a.mp4")
        fails = (
            "import sys; print('{\"event\": \"step\"}', flush=True); sys.stdin.read(); sys.exit('vsr: no such codec')"
        )
        disk, save = _FullDisk(queue, monkeypatch), queue.store.save

        def once(jobs: list[Job]) -> None:
            save(jobs)
            disk.is_full = jobs[0].state == "running"

        monkeypatch.setattr(queue.store, "save", once)
        running = _running(queue, monkeypatch, fails)
        await _until(lambda: queue.get(a).state == "failed")
        await asyncio.sleep(0.2)
        assert (queue.get(a).state, queue.get(a).error) == ("failed", "no such codec")
        disk.is_full = False
        await _until(lambda: queue.store.load() == [queue.get(a)])
        await queue.close()
        await running

    asyncio.run(act())


@pytest.mark.parametrize(("action", "state"), [(None, "waiting"), ("pause", "paused"), ("cancel", "cancelled")])
def test_a_studio_that_ends_keeps_what_was_asked_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action | None, state: str
) -> None:
    async def act() -> None:
        queue, [a] = _queue(tmp_path, "a.mp4")
        running = _running(queue, monkeypatch, ENDLESS)
        await _until(lambda: queue.get(a).progress is not None)
        if action is not None:
            await queue.act(a, action)
            assert [job.state for job in queue.store.load()] == [state]  # as if it were killed now
        await queue.close()
        await running
        assert json.loads((queue.store.folder / f"{a}.json").read_text())["state"] == state

    asyncio.run(act())
