"""What the scripts in pipelines/ have in common: refusals, and runs on a Ray cluster."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from recipes import PIPELINES, QUICK, Recipe, run_alone

import vsr


@pytest.mark.parametrize("name", ["film_archive", "surveillance"])
def test_what_cannot_be_is_said_in_one_line(recipe: Recipe, name: str, tmp_path: Path) -> None:
    for arguments, code, message in (
        ((tmp_path / "none",), 3, "none"),
        ((PIPELINES.parent / "configs",), 3, "holds no videos"),
        ((PIPELINES.parent / "configs", "--set", "no_such_key=1"), 2, "unknown setting 'no_such_key'"),
    ):
        done = recipe(name, *arguments, "-o", tmp_path / "out")
        assert done.code == code, done.out + done.err
        assert message in done.out + done.err
        assert "Traceback" not in done.err
        assert len(done.err.strip().splitlines()) <= 1


@pytest.mark.parametrize("name", ["film_archive", "surveillance"])
def test_a_folder_that_may_not_be_read(
    recipe: Recipe, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, iterdir = tmp_path / "locked", Path.iterdir
    locked.mkdir()

    def refuse(path: Path) -> Iterator[Path]:
        if path == locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    done = recipe(name, locked, "-o", tmp_path / "out")
    assert done.code == 5
    assert done.err == f"{name}: [Errno 13] Permission denied: '{locked}'\n"


def test_no_cluster(recipe: Recipe, reels: Path, tmp_path: Path) -> None:
    for name in ("film_archive", "surveillance"):
        done = recipe(name, reels, "-o", tmp_path / name, "--ray", "127.0.0.1:1")
        assert done.code == 5
        assert done.err == f"{name}: no Ray cluster answers at 127.0.0.1:1: Connection refused\n"


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """A Ray head of our own, as `ray start --head` makes it; its ports."""
    with contextlib.ExitStack() as held:
        names = ("gcs", "dashboard", "metrics")
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        ports = {name: one.getsockname()[1] for name, one in zip(names, listeners, strict=True)}
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", uuid.uuid4().hex)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    place = Path("/tmp") / f"vsr-test-{uuid.uuid4().hex[:8]}"  # sockets have short names
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={ports['gcs']}"]
    command += [f"--dashboard-port={ports['dashboard']}", "--num-cpus=2", f"--temp-dir={place}"]
    command += [f"--metrics-export-port={ports['metrics']}"]
    command += ["--node-ip-address=127.0.0.1", "--object-store-memory=100000000"]
    with (tmp_path / "head.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while "Ray runtime started" not in (tmp_path / "head.log").read_text() and time.monotonic() < deadline:
            assert process.poll() is None, (tmp_path / "head.log").read_text()
            time.sleep(0.2)
        yield ports
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(place, ignore_errors=True)


def _has_jobs() -> bool:
    from importlib.util import find_spec

    return find_spec("aiohttp_cors") is not None and find_spec("opencensus") is not None  # of ray[default]


@pytest.mark.slow
@pytest.mark.nightly
def test_as_a_job_of_a_cluster(head: dict[str, int], reels: Path, tmp_path: Path) -> None:
    """Submitted where Ray has its job server (the extra `cluster`), else started as that server would."""
    script = [sys.executable, str(PIPELINES / "film_archive.py"), str(reels)]
    script += ["-o", str(tmp_path / "masters"), *QUICK]
    environment = os.environ | {"RAY_ADDRESS": f"127.0.0.1:{head['gcs']}"}
    if _has_jobs():
        program = str(Path(sys.executable).with_name("ray"))
        script = [program, "job", "submit", "--address", f"http://127.0.0.1:{head['dashboard']}", "--", *script]
        environment = dict(os.environ)
    for words in ("done in", "done before"):
        done = subprocess.run(script, capture_output=True, text=True, timeout=240, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count(words) == 2
        assert "2 of 2 reels are restored" in done.stdout
    for name in ("plain", "cfr"):
        assert all(check.passed for check in vsr.verify(tmp_path / "masters" / f"{name}.mov"))


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.skipif(not _has_jobs(), reason="needs the extra cluster")
def test_prometheus_can_read_how_a_run_goes(head: dict[str, int], reels: Path, tmp_path: Path) -> None:
    """The node of the driver exports what it counts, as Ray does: some seconds late, with ``ray_`` before the names."""
    address = f"127.0.0.1:{head['gcs']}"
    program = (
        "import sys, vsr;"
        "settings = {'method': 'lanczos', 'segment_frames': 16};"
        "[one] = vsr.upscale(sys.argv[1], sys.argv[2], ray=sys.argv[3], settings=settings);"
        "print(one.manifest['times']['num_frames'], flush=True); sys.stdin.read()"
    )
    output = tmp_path / "out.mkv"
    words = [sys.executable, "-c", program, str(reels / "plain.mp4"), str(output), address]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdin is not None
        try:
            num_frames = int(driver.stdout.readline())
            found = _await_metrics(head["metrics"], "ray_vsr_output_bytes_total")
        finally:
            driver.stdin.close()
    assert found["ray_vsr_frames_total"] == num_frames
    assert found["ray_vsr_segments_total"] == found["ray_vsr_frame_seconds_count"] > 1
    assert found["ray_vsr_output_bytes_total"] == output.stat().st_size
    assert found["ray_vsr_files_total"] == 1
    assert found["ray_vsr_segments_waiting"] == found["ray_vsr_files_open"] == 0


def _await_metrics(port: int, name: str) -> dict[str, float]:
    """What is exported, once ``name`` is."""
    deadline = time.monotonic() + 60
    while True:
        found: dict[str, float] = {}
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    found[sample.name] = found.get(sample.name, 0.0) + sample.value
        if name in found:
            return found
        assert time.monotonic() < deadline, sorted(each for each in found if "vsr" in each)
        time.sleep(1)


@pytest.mark.slow
def test_a_cluster_that_wants_a_token(head: dict[str, int], reels: Path, tmp_path: Path) -> None:
    address = f"127.0.0.1:{head['gcs']}"
    for environment in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN": "wrong" * 4}):
        done = run_alone("film_archive", reels, "-o", tmp_path / "masters", "--ray", address, **environment)
        assert done.code == 5
        assert done.err.startswith(f"film_archive: the Ray cluster at {address} does not let us in; if it wants")
        assert len(done.err.splitlines()) == 1
