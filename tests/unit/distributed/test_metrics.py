"""What a run on Ray counts: each frame once, whatever was lost on the way."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from vsr.distributed import metrics
from vsr.distributed.dispatch import Task
from vsr.distributed.work import Beat, Receipt
from vsr.errors import InputError
from vsr.pipeline.request import Outcome

Counts = dict[str, list[float]]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """What was given to each metric, by its name and its tags."""
    seen: Counts = defaultdict(list)

    class Metric:
        def __init__(self, name: str, description: str, **options: Any) -> None:
            assert description
            self.name = name

        def note(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
            assert value >= 0
            seen[" ".join([self.name, *(tags or {}).values()])].append(value)

        inc = observe = set = note

    for kind in ("Counter", "Gauge", "Histogram"):
        monkeypatch.setattr(metrics, kind, Metric)
    return seen


class _Files:
    """Two tasks, that of a segment and that of a file."""

    num_waiting, num_open = 3, 1

    def __init__(self) -> None:
        self.subjects: dict[Task, str] = {}

    def subject(self, task: Task) -> str | None:
        return self.subjects.get(task)

    def item(self, task: Task, item: Any) -> None:
        if isinstance(item, Receipt):
            self.subjects.pop(task, None)

    def retry(self, task: Task) -> None:
        pass

    def failed(self, task: Task) -> None:
        self.subjects.pop(task, None)

    def tick(self) -> None:
        pass

    def is_finished(self) -> bool:
        return False


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _measured() -> tuple[metrics.Measured, _Files, _Clock, Task]:
    files, clock, task = _Files(), _Clock(), Task(None)  # type: ignore[arg-type]
    files.subjects[task] = "segment"
    return metrics.Measured(files, clock), files, clock, task  # type: ignore[arg-type]


def test_a_frame_that_is_made_again_counts_once(counts: Counts) -> None:
    measured, _, clock, task = _measured()
    for images in (0, 4, 7):
        measured.item(task, Beat(images))
    clock.now = 100.0
    measured.retry(task)
    measured.item(task, Beat(0))
    measured.item(task, Beat(5))
    clock.now = 104.0
    measured.item(task, Receipt(0, "key", 8, reused=False))
    measured.item(task, Receipt(0, "key", 8, reused=False))  # of a worker that was thought lost
    assert sum(counts["vsr_frames"]) == 8
    assert counts["vsr_segments"] == [1]
    assert counts["vsr_retries"] == [1]
    assert counts["vsr_frame_seconds"] == [0.5]  # of the attempt that made it
    assert not counts["vsr_failures"]


def test_what_was_there_is_not_counted(counts: Counts) -> None:
    measured, _, _, task = _measured()
    measured.item(task, Beat())
    measured.item(task, Receipt(0, "key", 8, reused=True))
    assert not counts["vsr_frames"]
    assert not counts["vsr_segments"]


def test_a_failure_counts_once_and_passes_are_no_segments(counts: Counts) -> None:
    measured, files, _, task = _measured()
    scan = Task(None)  # type: ignore[arg-type]
    files.subjects[scan] = "file"
    measured.item(scan, Beat(9))
    measured.failed(task)
    measured.failed(task)
    assert not counts["vsr_frames"]
    assert counts["vsr_failures"] == [1]


def test_gauges_follow_once_a_second(counts: Counts) -> None:
    measured, _, clock, task = _measured()
    measured.item(task, Beat())
    for clock.now in (0.0, 0.5, 1.2):
        measured.tick()
    assert counts["vsr_segments_waiting"] == [3, 3]
    assert counts["vsr_segments_running"] == [1, 1]
    assert counts["vsr_files_open"] == [1, 1]


def test_outcomes_and_bytes(counts: Counts, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    output.write_bytes(b"1234")
    heard: list[Outcome] = []
    tell = metrics.counted(heard.append)
    tell(Outcome("a.mp4", output, {}))
    tell(Outcome("b.mp4", tmp_path / "moved.mkv", {}))
    tell(Outcome("c.mp4", "s3://bucket/c.mkv", {}))
    tell(Outcome("d.mp4", tmp_path / "d.mkv", None, InputError("damaged")))
    assert len(heard) == 4
    assert counts["vsr_files done"] == [1, 1, 1]
    assert counts["vsr_files failed"] == [1]
    assert counts["vsr_output_bytes"] == [4]
