"""What is decided by the machine at hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from vsr.inference import frames_at_once, hardware


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda process: {0, 1, 2, 3})
    monkeypatch.setattr(hardware, "_control_group", lambda name: None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    hardware.limit_cores(None)


@pytest.mark.usefixtures("four_cores")
def test_frames_at_once_are_as_many_as_cores_threads_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, tile_bytes = torch.device("cpu"), hardware.BUDGETS["cpu"].tile_bytes
    monkeypatch.setattr(hardware, "memory_bytes", lambda device: 100 * tile_bytes)
    assert frames_at_once(cpu, 0) == 4
    assert frames_at_once(torch.device("cuda"), 0) == 1
    torch.set_num_threads(2)
    assert frames_at_once(cpu, 0) == 2
    torch.set_num_threads(1)
    hardware.limit_cores(1.0)
    assert frames_at_once(cpu, 0) == 1
    hardware.limit_cores(None)
    monkeypatch.setattr(hardware, "memory_bytes", lambda device: 4 * tile_bytes)
    assert frames_at_once(cpu, 0) == 2
    assert frames_at_once(cpu, tile_bytes) == 1
    monkeypatch.setattr(hardware, "memory_bytes", lambda device: tile_bytes)
    assert frames_at_once(cpu, 0) == 1
