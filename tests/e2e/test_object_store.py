"""From one object store into another: the same bytes as between files, read once a machine, and resumed.

The server is a process of its own on loopback; what it was asked is read from its log.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_tracks import camera_clip
from object_store import ObjectStore
from program import Run
from store_runs import STORE_SETTINGS, leftovers, run_store_command, sidecars_in_store, store_command

import vsr
from vsr.api import done_before
from vsr.distributed.work import VideoHost
from vsr.pipeline import run as pipeline_run
from vsr.pipeline.job import Job
from vsr.pipeline.objects import write_object
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.worker import SegmentWorker

Clips = Callable[[str], Path]


def _made(name: str) -> list[str]:
    """An output and what goes with it, sorted."""
    return [name, f"{name}.framemd5", f"{name}.input.framemd5", f"{name}.vsr.json"]


def _check_order_of_puts(objects: ObjectStore, bucket: str, name: str, mark: int) -> None:
    """Each sidecar after its segment, the output after all of them, and nothing after the manifest."""
    puts = [path.removeprefix(f"/{bucket}/") for path in objects.requests("PUT", mark)]
    sidecars = [put for put in puts if "/segment-" in put and put.endswith(".json")]
    assert len(sidecars) == 40
    for sidecar in sidecars:
        assert puts.index(sidecar.removesuffix(".json") + ".bin") < puts.index(sidecar)
    outputs = [put for put in puts if ".vsr-work/" not in put]
    assert outputs[0] == name
    assert sorted(outputs) == _made(name)
    assert puts[-1] == f"{name}.vsr.json"
    assert "lease.json" in puts[0]


def test_one_process(objects: ObjectStore, bucket: str, reel: Path, expected: bytes, tmp_path: Path) -> None:
    source = objects.put(bucket, "in/reel.mp4", reel)
    mark = objects.mark()
    updates: list[vsr.Progress] = []
    [outcome] = vsr.upscale(source, f"s3://{bucket}/out/big.mp4", settings=STORE_SETTINGS, on_progress=updates.append)
    assert objects.read(bucket, "out/big.mp4") == expected
    assert objects.names(bucket, "out/") == _made("out/big.mp4")
    assert outcome.manifest == json.loads(objects.read(bucket, "out/big.mp4.vsr.json"))
    assert outcome.manifest is not None
    assert outcome.manifest["input"]["path"] == source
    assert outcome.manifest["output"]["path"] == f"s3://{bucket}/out/big.mp4"
    assert {progress.path for progress in updates} == {source}
    assert objects.requests("GET", mark).count(f"/{bucket}/in/reel.mp4") == 1
    _check_order_of_puts(objects, bucket, "out/big.mp4", mark)
    assert not leftovers(tmp_path / "staging")


def test_one_image_goes_there_and_comes_from_there(objects: ObjectStore, bucket: str, clips: Clips) -> None:
    settings: dict[str, Any] = {"method": "bicubic", "scale": 2}
    source, image = objects.put(bucket, "in/plain.mp4", clips("plain")), f"s3://{bucket}/out/frame.png"
    vsr.upscale(source, image, at=3, settings=settings)
    assert objects.names(bucket, "out/") == _made("out/frame.png")
    assert all(check.passed for check in vsr.verify(image))
    vsr.upscale(image, f"s3://{bucket}/out/twice.webp", settings=settings)
    assert objects.read(bucket, "out/twice.webp")[8:12] == b"WEBP"
    with pytest.raises(vsr.UsageError, match="is one image, and the video has more"):
        vsr.upscale(source, f"s3://{bucket}/out/all.png", settings=settings)


def test_kept_packets_go_with_their_output(objects: ObjectStore, bucket: str, tmp_path: Path) -> None:
    """They are refused like an output, removed with it, and left alone where they are anything else."""
    source, target = camera_clip(tmp_path / "phone.mp4", b"mebx"), f"s3://{bucket}/out/big.mp4"
    keeping = STORE_SETTINGS | {"keep_data": True}
    kept = "out/big.mp4.data.zip"
    vsr.upscale(source, target, settings=keeping)
    assert objects.names(bucket, "out/") == sorted([*_made("out/big.mp4"), kept])
    assert "kept packets" in {check.what for check in vsr.verify(target) if check.passed}
    assert done_before(source, target, settings=keeping) is not None
    objects.put(bucket, kept, source)
    assert done_before(source, target, settings=keeping) is None
    vsr.upscale(source, target, overwrite=True, settings=keeping)
    vsr.upscale(source, target, overwrite=True, settings=STORE_SETTINGS)
    assert objects.names(bucket, "out/") == _made("out/big.mp4")
    own = tmp_path / "own"
    own.write_bytes(b"somebody's own")
    objects.put(bucket, kept, own)
    vsr.upscale(source, target, overwrite=True, settings=STORE_SETTINGS)
    assert objects.read(bucket, kept) == b"somebody's own"
    objects.put(bucket, "out/new.mp4.data.zip", own)
    with pytest.raises(vsr.UsageError, match=r"out/new\.mp4\.data\.zip exists; give --overwrite"):
        vsr.upscale(source, f"s3://{bucket}/out/new.mp4", settings=keeping)
    assert "out/new.mp4" not in objects.names(bucket, "out/")
    assert not leftovers(tmp_path / "staging")


def test_kept_packets_that_come_meanwhile_stay(objects: ObjectStore, bucket: str, tmp_path: Path) -> None:
    source, own = camera_clip(tmp_path / "phone.mp4", b"mebx"), tmp_path / "own"
    own.write_bytes(b"somebody's own")

    def put(progress: vsr.Progress) -> None:
        if progress.stage == "assembling":
            objects.put(bucket, "out/big.mp4.data.zip", own)

    settings = STORE_SETTINGS | {"keep_data": True}
    with pytest.raises(vsr.UsageError, match=r"big\.mp4\.data\.zip has come to be while the run was at work"):
        vsr.upscale(source, f"s3://{bucket}/out/big.mp4", settings=settings, on_progress=put)
    assert objects.read(bucket, "out/big.mp4.data.zip") == b"somebody's own"
    assert "out/big.mp4" not in objects.names(bucket, "out/")


@pytest.mark.slow
@pytest.mark.nightly
def test_two_workers(objects: ObjectStore, bucket: str, reel: Path, expected: bytes, tmp_path: Path) -> None:
    source = objects.put(bucket, "in/reel.mp4", reel)
    mark = objects.mark()
    [outcome] = vsr.upscale(source, f"s3://{bucket}/out/big.mp4", settings=STORE_SETTINGS, workers=2)
    assert objects.read(bucket, "out/big.mp4") == expected
    assert outcome.manifest is not None
    assert len({segment["worker"] for segment in outcome.manifest["segments"]}) == 2
    assert objects.requests("GET", mark).count(f"/{bucket}/in/reel.mp4") == 1
    _check_order_of_puts(objects, bucket, "out/big.mp4", mark)
    assert objects.names(bucket, "out/") == _made("out/big.mp4")
    _run_anything()
    assert not leftovers(tmp_path / "staging")


def _run_anything() -> None:
    """Workers are killed at the end of a run; the next process on the machine removes what they left."""
    code = "from vsr.pipeline.storage import local_place; local_place('s3://a/b/c')"
    subprocess.run([sys.executable, "-c", code], check=True)


class _SlowHost(VideoHost):
    """Takes its time for each segment, so that the worker that starts last finds some left."""

    def segment_worker(self, token: str, job: Job, work: WorkFolder) -> SegmentWorker:
        time.sleep(0.5)
        return super().segment_worker(token, job, work)


@pytest.mark.slow
@pytest.mark.nightly
def test_machines_that_share_nothing_but_the_store(
    objects: ObjectStore, bucket: str, reel: Path, expected: bytes, tmp_path: Path
) -> None:
    """Three staging folders: the driver's and one on each of two machines. Each reads the source once."""
    import ray
    from ray.cluster_utils import Cluster

    from vsr.distributed.ray import RayExecutor

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    if ray.is_initialized():
        ray.shutdown()
    source = objects.put(bucket, "in/reel.mp4", reel)
    folders = [tmp_path / "first", tmp_path / "second"]
    cluster = Cluster()
    try:
        for folder in folders:
            cluster.add_node(num_cpus=1, include_dashboard=False, env_vars={"VSR_STAGING": str(folder)})
        cluster.wait_for_nodes()
        mark = objects.mark()
        [outcome] = vsr.upscale(
            source,
            f"s3://{bucket}/out/big.mp4",
            settings=STORE_SETTINGS,
            executor=RayExecutor(4, cluster.address, _SlowHost),
        )
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert objects.read(bucket, "out/big.mp4") == expected
    assert outcome.manifest is not None
    assert len({segment["worker"] for segment in outcome.manifest["segments"]}) == 4
    copies = [list((folder / "in").rglob("reel.mp4")) for folder in (*folders, tmp_path / "staging")]
    assert [len(found) for found in copies] == [1, 1, 1]
    assert objects.requests("GET", mark).count(f"/{bucket}/in/reel.mp4") == 3


def _kill_half_way(command: list[str], objects: ObjectStore, bucket: str) -> list[str]:
    """SIGKILL once some segments are finished; names of those that are."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(sidecars_in_store(objects, bucket)) < 8:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    time.sleep(2)  # workers hear of it
    return sidecars_in_store(objects, bucket)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_a_killed_run_goes_on_at_once(
    objects: ObjectStore, bucket: str, reel: Path, expected: bytes, tmp_path: Path, workers: int
) -> None:
    source, target = objects.put(bucket, "in/reel.mp4", reel), f"s3://{bucket}/out/big.mp4"
    flags = ("--workers", str(workers))
    finished = _kill_half_way(store_command(source, target, *flags), objects, bucket)
    assert 8 <= len(finished) < 40
    assert objects.names(bucket, "out/big") == []
    mark = objects.mark()
    done = run_store_command(source, target, *flags)
    assert done.returncode == 0, done.stderr
    assert objects.read(bucket, "out/big.mp4") == expected
    manifest = json.loads(objects.read(bucket, "out/big.mp4.vsr.json"))
    reused = [segment for segment in manifest["segments"] if segment["reused"]]
    assert len(reused) == len(finished)
    written = [name for name in objects.requests("PUT", mark) if name.endswith(".bin")]
    assert len(written) == 40 - len(finished)
    assert objects.names(bucket, "out/") == _made("out/big.mp4")
    assert not objects.requests("GET", mark).count(f"/{bucket}/in/reel.mp4")  # this machine still had its copy
    _run_anything()
    assert not leftovers(tmp_path / "staging")


def test_a_folder_is_a_batch_and_a_second_run_does_nothing(
    objects: ObjectStore, bucket: str, clips: Clips, tmp_path: Path
) -> None:
    for name in ("plain", "cfr"):
        objects.put(bucket, f"in/{name}.mp4", clips(name))
    objects.client.put_object(Bucket=bucket, Key="in/notes.txt", Body=b"no video")
    objects.client.put_object(Bucket=bucket, Key="in/bad.mp4", Body=b"no video" * 1000)
    source, target = f"s3://{bucket}/in/", f"s3://{bucket}/out/"
    first = vsr.upscale(source, target, settings=STORE_SETTINGS)
    assert [outcome.input for outcome in first] == [f"{source}{name}.mp4" for name in ("bad", "cfr", "plain")]
    assert [outcome.error is None for outcome in first] == [False, True, True]
    assert str(first[0].error).startswith(f"{source}bad.mp4: ")
    batch = json.loads(objects.read(bucket, "out/batch.json"))
    assert batch["counts"] == {"failed": 1, "done": 2}
    for name in ("plain", "cfr"):
        local = tmp_path / f"{name}.mp4"
        vsr.upscale(clips(name), local, settings=STORE_SETTINGS)
        assert objects.read(bucket, f"out/{name}.mp4") == local.read_bytes()
    objects.client.delete_object(Bucket=bucket, Key="in/bad.mp4")
    mark = objects.mark()
    again = vsr.upscale(source, target, settings=STORE_SETTINGS)
    assert [outcome.was_done for outcome in again] == [True, True]
    assert objects.requests("PUT", mark) == [f"/{bucket}/out/batch.json"]
    assert not [path for path in objects.requests("GET", mark) if path.endswith(".mp4")]
    objects.put(bucket, "in/cfr.mp4", clips("long"))  # another video under this name
    third = vsr.upscale(source, target, settings=STORE_SETTINGS, overwrite=True)
    assert [outcome.was_done for outcome in third] == [False, False]
    assert third[0].manifest is not None
    assert third[0].manifest["times"]["num_frames"] == 150


def test_an_object_that_comes_meanwhile_stays(
    objects: ObjectStore, bucket: str, reel: Path, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was done is kept: with ``overwrite`` there is nothing left to restore."""
    target = f"s3://{bucket}/out/big.mp4"
    assemble = pipeline_run.assemble

    def meanwhile(*arguments: Any, **more: Any) -> Any:
        write_object(target, b"somebody's own")
        return assemble(*arguments, **more)

    monkeypatch.setattr(pipeline_run, "assemble", meanwhile)
    with pytest.raises(vsr.UsageError, match=f"{target} has come to be while the run was at work"):
        vsr.upscale(reel, target, settings=STORE_SETTINGS)
    assert objects.read(bucket, "out/big.mp4") == b"somebody's own"
    monkeypatch.undo()
    [outcome] = vsr.upscale(reel, target, settings=STORE_SETTINGS, overwrite=True)
    assert outcome.manifest is not None
    assert all(segment["reused"] for segment in outcome.manifest["segments"])
    assert objects.read(bucket, "out/big.mp4") == expected
    assert objects.names(bucket, "out/") == _made("out/big.mp4")


def test_a_replaced_input_is_not_done(objects: ObjectStore, bucket: str, clips: Clips) -> None:
    urls = [objects.put(bucket, f"in/{name}.mp4", clips(name)) for name in ("plain", "cfr")]
    vsr.upscale(urls, f"s3://{bucket}/out", settings=STORE_SETTINGS)
    objects.put(bucket, "in/cfr.mp4", clips("long"))
    again = vsr.upscale(urls, f"s3://{bucket}/out", settings=STORE_SETTINGS)
    assert again[0].was_done
    assert isinstance(again[1].error, vsr.UsageError)  # not taken for done, and not overwritten unasked
    assert "give --overwrite" in str(again[1].error)


def test_between_a_store_and_files(objects: ObjectStore, bucket: str, clips: Clips, tmp_path: Path) -> None:
    source = objects.put(bucket, "in/plain.mp4", clips("plain"))
    vsr.upscale(clips("plain"), tmp_path / "files.mp4", settings=STORE_SETTINGS)
    vsr.upscale(source, tmp_path / "from.mp4", settings=STORE_SETTINGS)
    vsr.upscale(clips("plain"), f"s3://{bucket}/to.mp4", settings=STORE_SETTINGS)
    assert (tmp_path / "from.mp4").read_bytes() == (tmp_path / "files.mp4").read_bytes()
    assert objects.read(bucket, "to.mp4") == (tmp_path / "files.mp4").read_bytes()
    assert all(check.passed for check in vsr.verify(tmp_path / "from.mp4"))


def test_an_output_in_a_store_is_verified(
    objects: ObjectStore, bucket: str, clips: Clips, tmp_path: Path, call: Callable[..., Run]
) -> None:
    source, target = objects.put(bucket, "in/plain.mp4", clips("plain")), f"s3://{bucket}/out/plain.mp4"
    vsr.upscale(source, target, settings=STORE_SETTINGS)
    checks = {check.what: check for check in vsr.verify(target)}
    assert all(check.passed for check in checks.values())
    assert checks["input"].detail == f"not compared: {source} is not here"
    whole = objects.read(bucket, "out/plain.mp4")
    objects.client.put_object(Bucket=bucket, Key="out/plain.mp4", Body=whole[:-1] + bytes([whole[-1] ^ 1]))
    done = call("verify", target)
    assert done.code == 5
    assert "FAIL  output bytes: plain.mp4: changed" in done.out
    objects.client.delete_object(Bucket=bucket, Key="out/plain.mp4.vsr.json")
    with pytest.raises(vsr.VerificationError, match=f"{target}.vsr.json: no such object"):
        vsr.verify(target)
    assert not leftovers(tmp_path / "staging")


def test_a_list_of_urls(objects: ObjectStore, bucket: str, clips: Clips, tmp_path: Path) -> None:
    urls = [objects.put(bucket, f"in/{name}.mp4", clips(name)) for name in ("plain", "cfr")]
    (tmp_path / "reels.txt").write_text("# two reels\n" + "\n".join(urls) + "\n")
    outcomes = vsr.upscale(tmp_path / "reels.txt", tmp_path / "out", settings=STORE_SETTINGS)
    assert [outcome.input for outcome in outcomes] == urls
    assert all(outcome.error is None for outcome in outcomes)


def test_made_again_from_an_input_in_a_store(
    objects: ObjectStore, clips: Callable[[str], Path], tmp_path: Path, quick: dict[str, Any]
) -> None:
    url = objects.put(objects.make_bucket("evidence"), "in.mp4", clips("plain"))
    vsr.upscale(url, tmp_path / "out.mp4", settings=quick)
    [*_, last] = vsr.verify(tmp_path / "out.mp4", recompute=True)
    assert last.passed
    assert "identical bytes" in last.detail
