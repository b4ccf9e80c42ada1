"""Jobs on the disk, and their order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from vsr.errors import MachineError, UsageError
from vsr.studio.choices import UpscaleChoice, parse_choice
from vsr.studio.jobs import Job, JobStore
from vsr.studio.places import Root
from vsr.studio.queue import Queue


def _job(key: str, order: float, **more: object) -> Job:
    job = Job(key, "upscale", {"input": "a.mp4", "output": f"{key}.mp4"}, order)
    return replace(job, **more)  # type: ignore[arg-type]


def test_jobs_come_back_as_they_were(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    jobs = [
        _job("a", 1, state="done", finished="2026-01-01T00:00:00+00:00", seconds=2.5),
        _job("b", 2, state="paused", progress={"frames_done": 3}),
        _job("c", 3, state="failed", error="no room"),
    ]
    store.save(jobs)
    assert JobStore(tmp_path).load() == jobs
    store.forget(jobs[0])
    assert [job.id for job in store.load()] == ["b", "c"]


def test_what_ran_when_the_studio_ended_is_to_go_on(tmp_path: Path) -> None:
    JobStore(tmp_path).save([_job("a", 1, state="running"), _job("b", 2, state="pausing")])
    assert [job.state for job in JobStore(tmp_path).load()] == ["waiting", "waiting"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "id": "x"}'])
def test_what_is_no_job_is_left_aside(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    store = JobStore(tmp_path)
    store.save([_job("a", 1)])
    (store.folder / "x.json").write_text(text)
    assert [job.id for job in store.load()] == ["a"]
    assert "x.json" in caplog.text
    assert (store.folder / "x.json").exists()


def _queue(tmp_path: Path, *names: str) -> tuple[Queue, list[str]]:
    (tmp_path / "clip.mp4").write_bytes(b"video")
    root = Root(tmp_path)
    queue = Queue(root)
    keys = []
    for name in names:
        choice = parse_choice(UpscaleChoice, {"input": "clip.mp4", "output": name})
        keys.append(queue.add("upscale", choice.settled(root, queue.taken())).id)
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
        with pytest.raises(UsageError, match="paused cannot be told to pause"):
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
            choice.settled(Root(tmp_path), queue.taken())

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
