"""Machines of a Ray cluster that are full, blind, old or lost: the same bytes in the end, or a true reason."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from ray_runs import MANY_FRAMES, RAY_SETTINGS
from small_networks import small_network

import vsr
from vsr.distributed.data_parallel import run_together
from vsr.distributed.dispatch import WorkerInfo
from vsr.distributed.ray import RayExecutor, cluster
from vsr.distributed.room import shortage
from vsr.distributed.work import VideoHost
from vsr.errors import MachineError
from vsr.pipeline.job import Job
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.worker import SegmentWorker

pytestmark = pytest.mark.slow

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


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


@pytest.mark.nightly
def test_a_machine_with_a_full_disk(many: Path, whole: bytes, tmp_path: Path, two_nodes: tuple[Cluster, Any]) -> None:
    nodes, other = two_nodes
    target = tmp_path / "out.mp4"
    (tmp_path / "full").write_text(other.node_id)
    executor = RayExecutor(4, nodes.address, _FullHost)
    [outcome] = vsr.upscale(many, target, settings=RAY_SETTINGS, executor=executor)
    assert target.read_bytes() == whole
    assert outcome.manifest is not None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param(_BlindHost, "{node} does not see {folder}; .* or be URLs", marks=pytest.mark.nightly),
        (_OldHost, r"{node} has torch 2\.0\.0, this machine 2\..*same versions"),
    ],
)
def test_a_machine_that_cannot_take_part(
    many: Path, tmp_path: Path, two_nodes: tuple[Cluster, Any], host: Any, expected: str
) -> None:
    nodes, other = two_nodes
    (tmp_path / "full").write_text(other.node_id)
    executor = RayExecutor(4, nodes.address, host)
    with pytest.raises(MachineError, match=expected.format(node=other.node_id[:8], folder=tmp_path)):
        vsr.upscale(many, tmp_path / "out.mp4", settings=RAY_SETTINGS, executor=executor)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


@pytest.mark.parametrize("method", [pytest.param("lanczos", marks=pytest.mark.nightly), "net.safetensors"])
def test_relative_paths_are_those_of_the_caller(
    many: Path, tmp_path: Path, two_nodes: tuple[Cluster, Any], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Workers stand in a folder of their own, where other files may have the same names."""
    shutil.copy(many, tmp_path / "in.mp4")
    shutil.copy(small_network("Y"), tmp_path / "net.safetensors")
    settings = RAY_SETTINGS | {"method": method}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lanczos").write_text("a file of a method's name")
    made = vsr.upscale("in.mp4", "here.mp4", end=32, settings=settings)
    executor = RayExecutor(2, two_nodes[0].address)
    (tmp_path / "work").mkdir()
    [outcome] = vsr.upscale("in.mp4", "out.mp4", end=32, settings=settings, executor=executor, work_dir="work")
    assert (outcome.input, outcome.output) == (Path("in.mp4"), Path("out.mp4"))
    assert outcome.manifest is not None
    assert outcome.manifest["settings"] == made[0].manifest["settings"]  # type: ignore[index]
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()
    assert not list((tmp_path / "work").iterdir())


def _where(rank: int) -> Iterator[tuple[int, str]]:
    yield rank, str(Path.cwd())


def test_training_stands_where_it_was_started(
    tmp_path: Path, two_nodes: tuple[Cluster, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(run_together(_where, 2, two_nodes[0].address)) == [(0, str(tmp_path))]
    with pytest.raises(vsr.UsageError, match=r"3 workers of 1 CPU cores each: there is room for 2 \(2 CPU cores\)"):
        list(run_together(_where, 3, two_nodes[0].address))


@ray.remote(num_cpus=1)
class _Hog:
    def here(self) -> bool:
        return True


def test_a_cluster_without_room_is_reported(
    many: Path, tmp_path: Path, two_nodes: tuple[Cluster, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has all cores: that is said once, and the run goes on when there is room."""
    warnings: list[str] = []
    monkeypatch.setattr("vsr.distributed.ray._PATIENCE_SECONDS", 0.5)
    with cluster(two_nodes[0].address, 1):
        hogs = [_Hog.remote() for _ in range(2)]
        ray.get([hog.here.remote() for hog in hogs])
        while shortage(0.5, 0) == "":
            time.sleep(0.1)

        def leave(message: str, *values: object) -> None:
            warnings.append(message % values)
            for hog in hogs:
                ray.kill(hog)

        monkeypatch.setattr("vsr.distributed.ray._log.warning", leave)
        executor = RayExecutor(1, two_nodes[0].address)
        [outcome] = vsr.upscale(many, tmp_path / "out.mp4", end=16, settings=RAY_SETTINGS, executor=executor)
    assert outcome.manifest is not None
    assert warnings == ["waiting for 0.5 CPU cores a worker; 0 of the cluster's 2 are free"]


@pytest.mark.nightly
def test_a_machine_lost_half_way(many: Path, whole: bytes, tmp_path: Path, two_nodes: tuple[Cluster, Any]) -> None:
    nodes, other = two_nodes
    target = tmp_path / "out.mp4"
    lost = threading.Event()

    def lose(progress: vsr.Progress) -> None:
        if progress.frames_done > MANY_FRAMES // 3 and not lost.is_set():
            lost.set()
            nodes.remove_node(other, allow_graceful=False)

    [outcome] = vsr.upscale(
        many, target, settings=RAY_SETTINGS, executor=RayExecutor(4, nodes.address), on_progress=lose
    )
    assert lost.is_set()
    assert target.read_bytes() == whole
    assert outcome.manifest is not None
