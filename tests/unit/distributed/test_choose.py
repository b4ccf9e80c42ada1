"""How many processes a run gets where nobody says."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsr.distributed.choose import choose_executor
from vsr.distributed.in_process import InProcess
from vsr.distributed.ray import RayExecutor
from vsr.errors import UsageError
from vsr.inference import hardware
from vsr.media.clips import write_clip
from vsr.pipeline.job import Span
from vsr.pipeline.request import Request
from vsr.pipeline.settings import load_settings

NUM_FRAMES = 500


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "long.mp4"
    write_clip(
        path, [np.full((128, 128, 3), number % 256, np.uint8) for number in range(NUM_FRAMES)], Fraction(25), crf=30
    )
    return path


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cores, 16 GiB, no GPU, and no container's limits."""
    monkeypatch.setattr(hardware, "_CONTROL_GROUP", Path("/nowhere"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(hardware, "memory_bytes", lambda device: 16 << 30)


def _request(source: Path, span: Span, **changes: Any) -> Request:
    settings, options = load_settings("default", {"method": "lite", "device": "cpu", **changes})
    return Request(source, source.with_name("out.mp4"), settings, options, span)


def _count(*requests: Request, workers: int | None = None) -> int:
    executor = choose_executor(requests[0].settings, workers, None, requests)
    if isinstance(executor, InProcess):
        return 1
    assert isinstance(executor, RayExecutor)
    assert executor.workers is not None
    return executor.workers


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(), 2),
        (Span(100), 1),
        (Span(0, 479), 1),
        (Span(None, Fraction(192, 10)), 2),
        (Span(Fraction(1), 9000), 1),
        (Span(9000), 1),
    ],
)
def test_as_many_as_there_are_long_segments(clip: Path, span: Span, expected: int) -> None:
    assert _count(_request(clip, span)) == expected


def test_files_count_together_as_far_as_there_are_cores(clip: Path) -> None:
    assert _count(*[_request(clip, Span())] * 3) == 6
    assert _count(*[_request(clip, Span())] * 50) == 8
    assert _count(*[_request(clip, Span(), num_cpus=2)] * 50) == 4
    assert _count(*[_request(clip, Span(), torch_threads=3)] * 50) == 2


def test_no_more_than_half_of_the_memory_holds(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "memory_bytes", lambda device: 5 << 30)
    assert _count(*[_request(clip, Span())] * 50) == 3
    assert _count(*[_request(clip, Span(), size="4096x4096")] * 50) == 1
    monkeypatch.setattr(hardware, "memory_bytes", lambda device: 1 << 30)
    assert _count(*[_request(clip, Span())] * 50) == 1


def test_what_is_quick_is_done_before_others_have_started(clip: Path) -> None:
    assert _count(*[_request(clip, Span(), method="lanczos")] * 50) == 1
    assert _count(*[_request(clip, Span(), method="lanczos", size="1280x1024")] * 50) == 8
    assert _count(*[_request(clip, Span(), size="64x64")] * 50) == 1


def test_what_is_no_video_counts_nothing(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no video")
    assert _count(_request(tmp_path / "no.mp4", Span()), _request(clip, Span())) == 2
    assert _count(_request(tmp_path / "no.mp4", Span())) == 1
    assert _count(Request("s3://a/b.mp4", "out.mp4", *load_settings("default", {}), Span())) == 1


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [("max 100000", "max", 8), ("350000 100000", "max", 3), ("max 100000", "4294967296", 2)],
)
def test_a_container_may_have_less(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: str, memory: str, expected: int
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 22}[name])
    monkeypatch.setattr(hardware, "_CONTROL_GROUP", tmp_path)
    (tmp_path / "cpu.max").write_text(f"{cpu}\n")
    (tmp_path / "memory.max").write_text(f"{memory}\n")
    assert _count(*[_request(clip, Span())] * 50) == expected


def test_what_is_said_counts(clip: Path) -> None:
    assert _count(_request(clip, Span()), workers=1) == 1
    assert _count(_request(clip, Span()), workers=3) == 3
    with pytest.raises(UsageError, match="at least one is needed"):
        _count(_request(clip, Span()), workers=0)
