"""Memory that stays with the process: the next frame's tensors cost no pages of the system's."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, torch
from vsr.inference.allocator import keep_freed_memory
if {keeps}:
    assert keep_freed_memory()
def frame():
    held = [torch.ones(5 << 20) for _ in range(8)]  # 20 MiB each
for _ in range(2):
    frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _page_faults(*, keeps: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS.format(keeps=keeps)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
def test_memory_of_a_frame_serves_the_next() -> None:
    assert 5 * _page_faults(keeps=True) < _page_faults(keeps=False)
