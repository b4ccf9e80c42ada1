"""Encoders leave the program's threads in the scheduling class that they were in."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from pathlib import Path

import pytest

from vsr.frames import ColorSpec
from vsr.media.codecs import CODECS
from vsr.media.encode import EncoderSpec, can_encode, segment_sink
from vsr.media.layouts import LAYOUTS
from vsr.media.scheduling import ordinary_scheduling

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's threads may be real-time ones")


def _policies() -> set[int]:
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        try:
            found.add(os.sched_getscheduler(int(thread.name)))
        except ProcessLookupError:
            continue
    return found


@needs_root
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_no_encoder_makes_threads_real_time(codec: str, tmp_path: Path) -> None:
    if not can_encode(CODECS[codec].encoders["yuv"]):
        pytest.skip(f"this PyAV does not encode {codec}")
    assert _policies() == {os.SCHED_OTHER}
    color = ColorSpec(1, 1, 1, False, "left")
    one = Fraction(1)
    speed = "10" if codec == "av1" else "ultrafast"
    spec = EncoderSpec(CODECS[codec], LAYOUTS["yuv420p"], color, 128, 96, one / 25, one * 25, one, 30, speed, 2)
    sink = segment_sink(tmp_path / "segment", spec)
    try:
        assert _policies() == {os.SCHED_OTHER}
    finally:
        sink.abort()


@needs_root
def test_threads_that_were_there_keep_what_they_had() -> None:
    going, stop = threading.Event(), threading.Event()

    def important() -> None:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        going.set()
        stop.wait()

    thread = threading.Thread(target=important)
    thread.start()
    going.wait()
    try:
        with ordinary_scheduling():
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
        assert os.sched_getscheduler(thread.native_id or 0) == os.SCHED_BATCH
    finally:
        stop.set()
        thread.join()
