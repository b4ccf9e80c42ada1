"""Pipes between programs: what leaves early, who ends first, and how much is held."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from pipe_ends import BICUBIC, as_y4m, made_by_ffmpeg, program
from plain_reader import first_frames

from vsr.api.piping import pipe

Clips = Callable[[str], Path]


@pytest.mark.slow
@pytest.mark.parametrize("container", ["y4m", "mkv"])
def test_a_reader_that_has_seen_enough(clips: Clips, container: str) -> None:
    process = program(str(clips("long")), "-o", "-", "--container", container, "-q", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(100)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.slow
def test_a_full_disk_behind_the_pipe(clips: Clips) -> None:
    with Path("/dev/full").open("wb") as full:
        process = program(str(clips("cfr")), "-o", "-", "--container", "y4m", "-q", stdout=full)
        _, stderr = process.communicate()
    assert process.returncode == 5
    assert b"standard output cannot be written: No space left on device" in stderr


@pytest.mark.slow
@pytest.mark.parametrize("container", ["y4m", "nut"])
def test_frames_leave_while_others_are_to_come(tmp_path: Path, container: str) -> None:
    """Half of a stream is written and the pipe kept open: frames must come out; then the rest follows."""
    data = made_by_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25", "-frames:v", "300", "-f", "yuv4mpegpipe"), folder=tmp_path
    )
    process = program(
        *("-", "-o", "-", "--container", container, "-q", "--set", "segment_frames=48"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    got = bytearray()
    reader = threading.Thread(target=lambda: [got.extend(piece) for piece in iter(lambda: process.stdout.read1(), b"")])
    reader.start()
    process.stdin.write(data[: len(data) // 2])
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while len(got) < 40_000 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(got) >= 40_000
    process.stdin.write(data[len(data) // 2 :])
    process.stdin.close()
    reader.join()
    assert process.wait() == 0
    (tmp_path / "out").write_bytes(got)
    assert len(first_frames(tmp_path / "out")) == 300


@pytest.mark.slow
def test_a_stop_while_the_pipe_is_silent(tmp_path: Path) -> None:
    process = program("-", "-o", "-", "--container", "y4m", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    data = made_by_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25", "-frames:v", "50", "-f", "yuv4mpegpipe"), folder=tmp_path
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(data)
    process.stdin.flush()
    assert process.stdout.read(100)  # it works, and waits for more
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 6
    assert process.stderr.read().splitlines()[-1] == b"vsr: stopped; a pipe starts over"


@pytest.mark.nightly
@pytest.mark.slow
def test_memory_stays_bounded(tmp_path: Path) -> None:
    """Of a stream that is longer than memory should hold, only what a segment needs is kept."""
    frame = np.zeros(1280 * 720 * 3 // 2, np.uint8).tobytes()
    process = program("-", "-o", "-", "--container", "y4m", "-q", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write(b"YUV4MPEG2 W1280 H720 F25:1 Ip A1:1 C420mpeg2\n")
    for _ in range(2000):  # 2.8 GB
        process.stdin.write(b"FRAME\n" + frame)
    peak = int(Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
    process.stdin.close()
    assert process.wait() == 0
    assert peak < 1900  # MB: 1,074 that may be held, 600 of torch and a segment's own


def test_a_fifo_on_both_sides(clips: Clips, tmp_path: Path) -> None:
    """As VapourSynth and Hybrid join programs: named pipes, opened by the shell."""
    os.mkfifo(tmp_path / "in")
    data = as_y4m(clips("cfr"), tmp_path)
    writer = threading.Thread(target=lambda: (tmp_path / "in").write_bytes(data))
    writer.start()
    out = io.BytesIO()
    with (tmp_path / "in").open("rb", buffering=0) as fifo:
        pipe("-", "-", container="y4m", stdin=fifo, stdout=out, settings=BICUBIC)  # type: ignore[arg-type]
    writer.join()
    with av.open(io.BytesIO(out.getvalue())) as container:
        assert len(list(container.decode(video=0))) == len(first_frames(clips("cfr")))
