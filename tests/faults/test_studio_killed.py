"""A studio that is killed again and again finishes its queue; one that is asked for many previews does not grow."""

from __future__ import annotations

import random
import time
from pathlib import Path

import av
import psutil
import pytest
from studio_server import Studio, studio
from videos import X264, encode, scene

pytestmark = pytest.mark.nightly

JOBS = 20
KILLS = 4
PREVIEWS = 1000
MOST_GROWTH_BYTES = 40 << 20


def test_twenty_jobs_survive_kills(tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4", scene(120, 160, 96), *X264)
    random_ = random.Random(7)
    names = [f"out-{number:02d}.mkv" for number in range(JOBS)]
    running = Studio(tmp_path)
    try:
        for name in names:
            running.add(input="clip.mp4", output=name, method="bicubic", codec="ffv1", report=False)
        for _ in range(KILLS):
            time.sleep(random_.uniform(1, 12))
            done = {job["output"] for job in running.jobs() if job["state"] == "done"}
            running.kill()
            running = Studio(tmp_path)
            jobs = running.jobs()
            assert {job["output"] for job in jobs} == set(names)
            assert done <= {job["output"] for job in jobs if job["state"] == "done"}
        deadline = time.monotonic() + 900
        while {job["state"] for job in running.jobs()} != {"done"}:
            states = [(job["output"], job["state"], job["error"]) for job in running.jobs()]
            assert not [one for one in states if one[1] == "failed"], states
            assert time.monotonic() < deadline, states
            time.sleep(0.5)
    finally:
        if running.process.poll() is None:
            running.stop()
    contents = {(tmp_path / name).read_bytes() for name in names}
    assert len(contents) == 1
    with av.open(str(tmp_path / names[0])) as container:
        assert sum(1 for _ in container.decode(video=0)) == 120
    assert not list(tmp_path.glob(".*.vsr-work"))


def test_previews_do_not_add_up(tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4", scene(120, 320, 180), *X264)
    with studio(tmp_path) as running:
        process = psutil.Process(running.process.pid)
        sizes = []
        for number in range(PREVIEWS):
            choice = {"input": "clip.mp4", "method": "lite", "scale": 2}
            made = running.post("/api/previews", {"choice": choice, "frame": number * 7 % 120})
            assert made.status == 200, made.body
            for side in ("before", "after"):
                assert running.get(f"/api/previews/{made.json['id']}/{side}.png").status == 200
            if number % 100 == 99:
                sizes.append(process.memory_info().rss)
        assert max(sizes[2:]) - sizes[1] < MOST_GROWTH_BYTES, sizes
