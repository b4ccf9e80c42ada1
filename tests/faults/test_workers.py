"""Ray workers and machines that are killed, hang, refuse and fill up: the same bytes in the end, or a true reason."""

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
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
import ray
from plain_reader import is_working_name
from program import Run, caller
from ray.cluster_utils import Cluster

import vsr
from vsr.distributed.dispatch import WorkerInfo
from vsr.distributed.ray import RayExecutor
from vsr.distributed.work import VideoHost
from vsr.errors import MachineError
from vsr.pipeline.job import Job
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.worker import SegmentWorker

Clips = Callable[[str], Path]
pytestmark = pytest.mark.slow
SETTINGS: dict[str, Any] = {
    "method": "lanczos",
    "speed": "ultrafast",
    "encoder_threads": 1,
    "segment_frames": 16,
    "num_cpus": 0.5,
}
_FRAMES = 1600

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred segments of small frames."""
    path = tmp_path_factory.mktemp("many") / "many.mp4"
    rng = np.random.default_rng(5)
    picture = rng.integers(0, 255, (48 + _FRAMES // 8, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(_FRAMES):
            part = picture[number // 8 : number // 8 + 48]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(part), "rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def whole(many: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What this process alone makes of it."""
    target = tmp_path_factory.mktemp("whole") / "out.mp4"
    vsr.upscale(many, target, settings=SETTINGS)
    return target.read_bytes()


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """One Ray for the tests of this file that need no cluster of their own."""
    from vsr.distributed.ray import cluster

    with cluster(None, 2):
        yield


def _run(source: Path, target: Path, workers: int, host: Any = VideoHost, **changes: Any) -> dict[str, Any]:
    [outcome] = vsr.upscale(source, target, settings=SETTINGS | changes, executor=RayExecutor(workers, None, host))
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
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_makes_the_same_bytes(many: Path, whole: bytes, tmp_path: Path, workers: int) -> None:
    manifest = _run(many, tmp_path / "out.mp4", workers)
    assert (tmp_path / "out.mp4").read_bytes() == whole
    assert len({segment["worker"] for segment in manifest["segments"]}) >= min(workers, 2)
    assert manifest["times"]["num_frames"] == _FRAMES


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("seed", [1, 2])
def test_workers_killed_at_any_moment(many: Path, whole: bytes, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    over, begun = threading.Event(), threading.Event()
    kills: list[int] = []

    def kill_some() -> None:
        begun.wait()
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
            settings=SETTINGS | {"attempts": 10},
            executor=RayExecutor(2, None),
            on_progress=lambda progress: begun.set(),
        )
    finally:
        over.set()
        begun.set()
        killer.join()
    assert kills
    assert (tmp_path / "out.mp4").read_bytes() == whole


class _Poisoned(SegmentWorker):
    """Its process dies at one segment; others are made as always."""

    def encode(self, planned: PlannedSegment) -> Any:
        if planned.segment.start <= 500 < planned.segment.stop:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(planned)


class _Stuck(SegmentWorker):
    """Hangs at one segment, once."""

    def encode(self, planned: PlannedSegment) -> Any:
        once = self._work.path.parent / "hung"
        if planned.segment.start <= 500 < planned.segment.stop and not once.exists():
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


@pytest.mark.usefixtures("local_ray")
def test_a_poisonous_segment_is_named_and_all_others_are_made(many: Path, whole: bytes, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    with pytest.raises(MachineError, match=r"segment \d+ \(frames 496 to \d+\) failed 3 times .*worker was lost"):
        _run(many, target, 2, _PoisonedHost)
    finished = list((tmp_path / ".out.mp4.vsr-work").glob("segment-*.json"))
    manifest = _run(many, target, 2)
    assert [segment["start"] for segment in manifest["segments"] if not segment["reused"]] == [496]
    assert len(finished) == len(manifest["segments"]) - 1
    assert target.read_bytes() == whole


@pytest.mark.usefixtures("local_ray")
def test_a_hang_is_ended_and_its_segment_made_elsewhere(many: Path, whole: bytes, tmp_path: Path) -> None:
    _run(many, tmp_path / "out.mp4", 2, _StuckHost, stall_seconds=4.0)
    assert (tmp_path / "hung").exists()
    assert (tmp_path / "out.mp4").read_bytes() == whole


@pytest.mark.usefixtures("local_ray")
def test_a_batch_goes_on_past_a_bad_file(many: Path, clips: Clips, tmp_path: Path, whole: bytes) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video" * 1000)
    inputs = [clips("plain"), bad, many, tmp_path / "missing.mp4", clips("rich")]
    told: list[vsr.Outcome] = []
    outcomes = vsr.upscale(
        inputs, tmp_path / "out", settings=SETTINGS, executor=RayExecutor(2, None), on_outcome=told.append
    )
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, False, True]
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {vsr.InputError}
    assert sorted(str(outcome.input) for outcome in told) == sorted(map(str, inputs))
    assert (tmp_path / "out" / "many.mp4").read_bytes() == whole
    again = vsr.upscale(inputs, tmp_path / "out", settings=SETTINGS, executor=RayExecutor(2, None))
    assert [outcome.was_done for outcome in again] == [True, False, True, False, True]


class _FullHost(VideoHost):
    """The machine that is marked refuses to write."""

    def segment_worker(self, token: str, job: Job, work: WorkFolder) -> SegmentWorker:
        mark = work.path.parent / "full"
        if mark.read_text() == ray.get_runtime_context().get_node_id():
            raise MachineError(f"cannot write segment in {work.path}: No space left on device")
        return super().segment_worker(token, job, work)


class _BlindHost(VideoHost):
    """One machine does not see the files, and is slow to say so."""

    def describe(self) -> WorkerInfo:
        info = super().describe()
        mark = next(path for path in self._must_see if path.name.startswith(".vsr-seen")).parent / "full"
        if mark.read_text() == ray.get_runtime_context().get_node_id():
            time.sleep(2.0)  # the other one could have made several segments
            return replace(info, unseen=tuple(map(str, self._must_see)))
        return info


class _OldHost(VideoHost):
    """One machine has another torch."""

    def describe(self) -> WorkerInfo:
        info = super().describe()
        mark = next(path for path in self._must_see if path.name.startswith(".vsr-seen")).parent / "full"
        if mark.read_text() == ray.get_runtime_context().get_node_id():
            return replace(info, versions=info.versions | {"torch": "2.0.0"})
        return info


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


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[tuple[Cluster, Any]]:
    """A head and another machine, as Ray sees it; each with room for two workers. One test takes the other away."""
    if ray.is_initialized():
        ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    other = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    try:
        yield cluster, other
    finally:
        if ray.is_initialized():
            ray.shutdown()
        cluster.shutdown()


def test_a_machine_with_a_full_disk(many: Path, whole: bytes, tmp_path: Path, two_nodes: tuple[Cluster, Any]) -> None:
    cluster, other = two_nodes
    target = tmp_path / "out.mp4"
    (tmp_path / "full").write_text(other.node_id)
    executor = RayExecutor(4, cluster.address, _FullHost)
    [outcome] = vsr.upscale(many, target, settings=SETTINGS, executor=executor)
    assert target.read_bytes() == whole
    assert outcome.manifest is not None


def test_a_machine_that_does_not_see_the_files(many: Path, tmp_path: Path, two_nodes: tuple[Cluster, Any]) -> None:
    cluster, other = two_nodes
    (tmp_path / "full").write_text(other.node_id)
    executor = RayExecutor(4, cluster.address, _BlindHost)
    with pytest.raises(MachineError, match=f"{other.node_id[:8]} does not see {tmp_path}; .* or be URLs"):
        vsr.upscale(many, tmp_path / "out.mp4", settings=SETTINGS, executor=executor)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_machine_with_another_version(many: Path, tmp_path: Path, two_nodes: tuple[Cluster, Any]) -> None:
    cluster, other = two_nodes
    (tmp_path / "full").write_text(other.node_id)
    executor = RayExecutor(4, cluster.address, _OldHost)
    with pytest.raises(MachineError, match=rf"{other.node_id[:8]} has torch 2\.0\.0, this machine 2\..*same versions"):
        vsr.upscale(many, tmp_path / "out.mp4", settings=SETTINGS, executor=executor)
    assert not (tmp_path / "out.mp4").exists()


def test_a_machine_lost_half_way(many: Path, whole: bytes, tmp_path: Path, two_nodes: tuple[Cluster, Any]) -> None:
    cluster, other = two_nodes
    target = tmp_path / "out.mp4"
    lost = threading.Event()

    def lose(progress: vsr.Progress) -> None:
        if progress.frames_done > _FRAMES // 3 and not lost.is_set():
            lost.set()
            cluster.remove_node(other, allow_graceful=False)

    [outcome] = vsr.upscale(many, target, settings=SETTINGS, executor=RayExecutor(4, cluster.address), on_progress=lose)
    assert lost.is_set()
    assert target.read_bytes() == whole
    assert outcome.manifest is not None


def _cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vsr", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def _flags(**changes: Any) -> list[str]:
    pairs = (SETTINGS | changes).items()
    return [part for key, value in pairs for part in ("--set", f"{key}={value}")]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_driver_killed_at_any_moment(many: Path, whole: bytes, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    target = tmp_path / "out.mp4"
    command = [sys.executable, "-m", "vsr", "upscale", str(many), "-o", str(target), "--workers", "2", *_flags()]
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        began = time.monotonic()
        work = tmp_path / ".out.mp4.vsr-work"
        while process.poll() is None and not work.is_dir() and time.monotonic() - began < 60:
            time.sleep(0.02)
        try:
            process.wait(rng.uniform(0.5, 4.0))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        if target.exists():
            break
    done = _cli("upscale", str(many), "-o", str(target), "--workers", "2", "--overwrite", *_flags())
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == whole


@pytest.mark.parametrize("times", [1, 2])
def test_interrupts(many: Path, whole: bytes, tmp_path: Path, times: int) -> None:
    target = tmp_path / "out.mp4"
    work = tmp_path / ".out.mp4.vsr-work"
    command = [sys.executable, "-m", "vsr", "upscale", str(many), "-o", str(target), "--workers", "2", *_flags()]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
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
    done = _cli("upscale", str(many), "-o", str(target), "--workers", "2", *_flags())
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == whole
