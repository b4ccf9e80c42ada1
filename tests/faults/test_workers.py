"""Ray workers of one machine that are killed, hang and refuse: the same bytes in the end, or a true reason."""

from __future__ import annotations

import functools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from plain_reader import is_working_name
from program import Run, caller
from ray_runs import MANY_FRAMES, RAY_SETTINGS
from small_networks import small_network

import vsr
from vsr.distributed.ray import RayExecutor
from vsr.distributed.work import VideoHost
from vsr.errors import MachineError
from vsr.pipeline.job import Job
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.worker import SegmentWorker

Clips = Callable[[str], Path]
pytestmark = pytest.mark.slow
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def kept_ray() -> Iterator[ExitStack]:
    """Holds the Ray of this file until its end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def local_ray(kept_ray: ExitStack) -> None:
    """One Ray for the tests of this file that need no cluster of their own; started again where a test has ended it."""
    from vsr.distributed.ray import cluster

    if not ray.is_initialized():
        kept_ray.enter_context(cluster(None, 2))


def _run(
    source: Path, target: Path, workers: int, host: Any = VideoHost, address: str | None = None, **changes: Any
) -> dict[str, Any]:
    executor = RayExecutor(workers, address, host)
    [outcome] = vsr.upscale(source, target, settings=RAY_SETTINGS | changes, executor=executor)
    assert outcome.manifest is not None
    assert not [path.name for path in target.parent.iterdir() if is_working_name(path.name)]
    return dict(outcome.manifest)


def _worker_processes() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] == ["ray::Actor.run"] or process.name().startswith("ray::Actor"):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.nightly), 4]
)  # two: in the other tests of this file
def test_any_number_of_workers_makes_the_same_bytes(many: Path, whole: bytes, tmp_path: Path, workers: int) -> None:
    manifest = _run(many, tmp_path / "out.mp4", workers)
    assert (tmp_path / "out.mp4").read_bytes() == whole
    assert len({segment["worker"] for segment in manifest["segments"]}) >= min(workers, 2)
    assert manifest["times"]["num_frames"] == MANY_FRAMES


@pytest.mark.usefixtures("local_ray")
def test_workers_killed_at_any_moment(many: Path, whole: bytes, tmp_path: Path) -> None:
    rng = random.Random(1)
    over, started = threading.Event(), threading.Event()
    kills: list[int] = []

    def kill_some() -> None:
        started.wait()
        while not over.wait(rng.uniform(0.05, 1.0)) and len(kills) < 6:
            found = _worker_processes()
            if found:
                victim = rng.choice(found)
                kills.append(victim.pid)
                os.kill(victim.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        vsr.upscale(
            many,
            tmp_path / "out.mp4",
            settings=RAY_SETTINGS | {"attempts": 10},
            executor=RayExecutor(2, None),
            on_progress=lambda progress: started.set(),
        )
    finally:
        over.set()
        started.set()
        killer.join()
    assert kills
    assert (tmp_path / "out.mp4").read_bytes() == whole


class _Poisoned(SegmentWorker):
    """Its process dies at one segment; others are made as always."""

    def encode(self, planned: PlannedSegment) -> Any:
        if planned.segment.start <= 250 < planned.segment.stop:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(planned)


class _Stuck(SegmentWorker):
    """Hangs at one segment, once."""

    def encode(self, planned: PlannedSegment) -> Any:
        once = self._work.path.parent / "hung"
        if planned.segment.start <= 250 < planned.segment.stop and not once.exists():
            once.touch()
            time.sleep(1000)
        return super().encode(planned)


class _Host(VideoHost):
    """A host with another kind of segment worker."""

    kind: type[SegmentWorker] = SegmentWorker

    def segment_worker(self, token: str, job: Job, work: WorkFolder) -> SegmentWorker:
        if self._open is None or self._open[0] != token:
            self.release()
            self._open = (token, self.kind(job, work))
        return self._open[1]


class _PoisonedHost(_Host):
    kind = _Poisoned


class _StuckHost(_Host):
    kind = _Stuck


@pytest.mark.nightly
@pytest.mark.usefixtures("local_ray")
def test_a_poisonous_segment_is_named_and_all_others_are_made(many: Path, whole: bytes, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    with pytest.raises(MachineError, match=r"segment \d+ \(frames 248 to \d+\) failed 3 times .*worker was lost"):
        _run(many, target, 2, _PoisonedHost)
    finished = list((tmp_path / ".out.mp4.vsr-work").glob("segment-*.json"))
    manifest = _run(many, target, 2)
    assert [segment["start"] for segment in manifest["segments"] if not segment["reused"]] == [248]
    assert len(finished) == len(manifest["segments"]) - 1
    assert target.read_bytes() == whole


@pytest.mark.usefixtures("local_ray")
def test_a_hang_is_ended_and_its_segment_made_elsewhere(many: Path, whole: bytes, tmp_path: Path) -> None:
    _run(many, tmp_path / "out.mp4", 2, _StuckHost, stall_seconds=4.0)
    assert (tmp_path / "hung").exists()
    assert (tmp_path / "out.mp4").read_bytes() == whole


@pytest.mark.nightly
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("more", [{"seed": 11, "unmatched": True}, {"scale": 0.5}], ids=["up, by noise", "down"])
def test_pairs_of_networks_make_the_same_in_every_process(clips: Clips, tmp_path: Path, more: dict[str, Any]) -> None:
    """A network that is given noise, and its other half, in this process and in two others."""
    settings = {"method": str(small_network("rescaling", strength=0.3)), **more}
    [outcome] = vsr.upscale(clips("cfr"), tmp_path / "here.mp4", settings=RAY_SETTINGS | settings)
    manifest = _run(clips("cfr"), tmp_path / "there.mp4", 2, **settings)
    assert outcome.manifest is not None
    here, there = ({segment["worker"] for segment in made["segments"]} for made in (outcome.manifest, manifest))
    assert not here & there
    assert (tmp_path / "there.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()


@pytest.mark.nightly
@pytest.mark.usefixtures("local_ray")
def test_a_batch_goes_on_past_a_bad_file(many: Path, clips: Clips, tmp_path: Path, whole: bytes) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video" * 1000)
    inputs = [clips("plain"), bad, many, tmp_path / "missing.mp4", clips("rich")]
    reported: list[vsr.Outcome] = []
    outcomes = vsr.upscale(
        inputs, tmp_path / "out", settings=RAY_SETTINGS, executor=RayExecutor(2, None), on_outcome=reported.append
    )
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, False, True]
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {vsr.InputError}
    assert sorted(str(outcome.input) for outcome in reported) == sorted(map(str, inputs))
    assert (tmp_path / "out" / "many.mp4").read_bytes() == whole
    again = vsr.upscale(inputs, tmp_path / "out", settings=RAY_SETTINGS, executor=RayExecutor(2, None))
    assert [outcome.was_done for outcome in again] == [True, False, True, False, True]


Call = Callable[..., Run]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """``call("upscale", path, …)`` runs the program in this process and gives exit code and what it printed."""
    return caller(monkeypatch, capfd)


def _check_refusal(call: Call, source: Path, folder: Path, flags: Sequence[str], code: int, message: str) -> None:
    done = call("upscale", source, "-o", folder / "out.mp4", "--method", "lanczos", *flags)
    assert done.code == code, done.err
    assert message in done.one_line()
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--workers", "4000"], 2, "there is room for"),
        (["--workers", "2", "--set", "num_gpus=1"], 5, "num_gpus = 1: Ray knows of no GPU"),
        (["--workers", "2", "--device", "cuda"], 5, "device 'cuda': Ray knows of no GPU"),
        (["--workers", "2", "--set", "num_cpus=64"], 2, "there is room for 0"),
    ],
)
def test_what_there_is_no_room_for_is_said_in_one_line(
    call: Call, clips: Clips, tmp_path: Path, flags: Sequence[str], code: int, message: str
) -> None:
    _check_refusal(call, clips("plain"), tmp_path, flags, code, message)


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """This process is in no cluster and finds none, though other tests may have one on this machine."""
    if ray.is_initialized():
        ray.shutdown()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path_factory.mktemp("no-ray")))  # where the last one's address is kept
    nothing = functools.cache(frozenset[str])  # Ray looks through all processes
    monkeypatch.setattr("ray._private.services._cached_find_gcs_addresses", nothing)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--ray", "127.0.0.1:1"], 5, "no Ray cluster answers at 127.0.0.1:1"),
        (["--ray", "ray://127.0.0.1:10001"], 2, "want auto or HOST:PORT"),
        (["--ray", "nonsense"], 2, "want auto or HOST:PORT"),
        (["--ray", "auto"], 5, "no Ray cluster runs on this machine"),
        (["--workers", "0"], 2, "at least one"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    call: Call, clips: Clips, tmp_path: Path, flags: Sequence[str], code: int, message: str
) -> None:
    _check_refusal(call, clips("plain"), tmp_path, flags, code, message)


def _command(source: Path, target: Path, *flags: str) -> list[str]:
    settings = [part for key, value in RAY_SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "vsr", "upscale", str(source), "-o", str(target), "--workers", "2", *settings, *flags]


def _check_it_goes_on(source: Path, target: Path, whole: bytes, address: str | None = None) -> None:
    """Another run, in the cluster of this file, takes what is finished and makes the rest."""
    finished = len(list((target.parent / f".{target.name}.vsr-work").glob("segment-*.json")))
    manifest = _run(source, target, 2, address=address)
    assert sum(segment["reused"] for segment in manifest["segments"]) >= finished
    assert target.read_bytes() == whole


@pytest.mark.nightly
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("where", ["its own Ray", "a cluster that lives on"])
def test_the_driver_killed_at_any_moment(many: Path, whole: bytes, tmp_path: Path, where: str) -> None:
    rng = random.Random(where)
    target = tmp_path / "out.mp4"
    work = tmp_path / ".out.mp4.vsr-work"
    address = None if where == "its own Ray" else ray.get_runtime_context().gcs_address
    flags = ["--ray", address] if address else []
    for _ in range(2):
        process = subprocess.Popen(_command(many, target, *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        aim = len(list(work.glob("segment-*.json"))) + rng.randrange(1, 20)
        while process.poll() is None and len(list(work.glob("segment-*.json"))) < aim:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.05))
        process.kill()
        _, err = process.communicate()
        assert process.returncode == -signal.SIGKILL, err
    _check_it_goes_on(many, target, whole, address)


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_interrupts(many: Path, whole: bytes, tmp_path: Path, times: int) -> None:
    target = tmp_path / "out.mp4"
    work = tmp_path / ".out.mp4.vsr-work"
    process = subprocess.Popen(
        _command(many, target), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while process.poll() is None and len(list(work.glob("segment-*.json"))) < 5:
        time.sleep(0.02)
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everybody hears it
        time.sleep(0.3)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 6, err
    assert "Traceback" not in err
    assert err.count("finishing the segments") == 1
    assert "goes on from there" in err
    if times == 1:  # workers that are ended at once may write a last file after the tidying; the next run clears it
        assert not [path.name for path in work.iterdir() if path.name.endswith(".tmp") or path.name.startswith("plan-")]
    assert len(list(work.glob("segment-*.json"))) >= 5
    _check_it_goes_on(many, target, whole)


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("name", ["out.gif", "out.webp"])
def test_animations_of_a_killed_run_of_two_workers(clips: Clips, tmp_path: Path, name: str) -> None:
    """Segments of both are joined by a step of their own, which sees all frames."""
    vsr.upscale(clips("rich"), tmp_path / f"whole-{name}", settings=RAY_SETTINGS)
    whole = (tmp_path / f"whole-{name}").read_bytes()
    target = tmp_path / "killed" / name
    target.parent.mkdir()
    work = target.parent / f".{name}.vsr-work"
    process = subprocess.Popen(_command(clips("rich"), target), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not list(work.glob("segment-*.json")):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    finished = len(list(work.glob("segment-*.json")))
    manifest = _run(clips("rich"), target, 2)
    assert len(manifest["segments"]) > 1
    assert sum(segment["reused"] for segment in manifest["segments"]) >= finished
    assert target.read_bytes() == whole
