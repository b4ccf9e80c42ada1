"""Who may work in a folder: one run at a time, and the next as soon as the one before is gone."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from object_store import ObjectStore

from vsr.errors import MachineError, WorkFolderBusy
from vsr.pipeline.lease import Lease
from vsr.pipeline.storage import WorkFolder

_SECONDS = 0.9
MakeLease = Callable[..., Lease]


@pytest.fixture
def work(objects: ObjectStore) -> WorkFolder:
    return WorkFolder(url=f"s3://{objects.make_bucket(f'lease-{uuid.uuid4().hex[:12]}')}/.out.mp4.vsr-work")


@pytest.fixture
def lease_on(work: WorkFolder, tmp_path: Path) -> MakeLease:
    """A lease as a run on the machine of this name would ask for it."""

    def make(machine: str, **more: Any) -> Lease:
        staging = tmp_path / machine
        staging.mkdir(exist_ok=True)
        return Lease(work, "out.mp4", staging=staging, **{"seconds": _SECONDS} | more)

    return make


def _bucket(work: WorkFolder) -> str:
    assert work.url is not None
    return work.url.removeprefix("s3://").partition("/")[0]


def _held(objects: ObjectStore, work: WorkFolder) -> dict[str, Any]:
    return dict(json.loads(objects.read(_bucket(work), ".out.mp4.vsr-work/lease.json")))


def _kill(lease: Lease) -> None:
    """As a SIGKILL leaves it: no renewal, the lock of the system gone, the object still there."""
    lease._stop.set()
    assert lease._lock is not None
    lease._lock.release()


def test_one_at_a_time_on_one_machine(objects: ObjectStore, work: WorkFolder, lease_on: MakeLease) -> None:
    first, second = lease_on("here"), lease_on("here")
    first.acquire()
    with pytest.raises(WorkFolderBusy, match=r"another run is at work on out.mp4 .*on this machine"):
        second.acquire()
    first.release()
    assert not objects.names(_bucket(work))
    second.acquire()
    second.release()
    assert not objects.names(_bucket(work))


def test_one_at_a_time_on_two_machines(lease_on: MakeLease) -> None:
    first, second = lease_on("here"), lease_on("there")
    first.acquire()
    until = time.monotonic() + 2 * _SECONDS  # longer than it holds without being renewed
    while time.monotonic() < until:
        with pytest.raises(WorkFolderBusy, match=r"if that one was killed, try again in 0.9 s"):
            second.acquire()
    first.check()
    first.release()
    second.acquire()
    second.check()
    second.release()


def test_a_run_that_was_killed_here_is_followed_at_once(
    objects: ObjectStore, work: WorkFolder, lease_on: MakeLease
) -> None:
    killed, following = lease_on("here", seconds=3600), lease_on("here", seconds=3600)
    killed.acquire()
    _kill(killed)
    before = _held(objects, work)
    following.acquire()
    assert _held(objects, work)["token"] != before["token"]
    following.release()


def test_a_run_that_was_killed_elsewhere_is_followed_when_its_lease_is_void(lease_on: MakeLease) -> None:
    killed, following = lease_on("there"), lease_on("here")
    killed.acquire()
    _kill(killed)
    with pytest.raises(WorkFolderBusy):
        following.acquire()
    time.sleep(_SECONDS)
    following.acquire()
    following.release()


def test_clocks_that_differ_by_an_hour_void_nothing(lease_on: MakeLease) -> None:
    for hours in (-1, 1):
        first = lease_on("there", clock=lambda hours=hours: time.time() + 3600 * hours)
        first.acquire()
        with pytest.raises(WorkFolderBusy):
            lease_on("here").acquire()
        first.check()
        first.release()


def test_a_run_that_lost_its_lease_stops_and_leaves_the_new_one(
    objects: ObjectStore, work: WorkFolder, lease_on: MakeLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, following = lease_on("there"), lease_on("here", seconds=600)
    slow.acquire()
    monkeypatch.setattr(following, "_is_void", lambda held: True)
    following.acquire()
    time.sleep(_SECONDS / 2)
    with pytest.raises(WorkFolderBusy, match=r"another run took over out.mp4 .*; this one stops"):
        slow.check()
    slow.release()
    assert _held(objects, work)["token"] == following._token
    following.release()
    assert not objects.names(_bucket(work))


@pytest.mark.usefixtures("objects")
def test_a_lease_cannot_be_had_where_nothing_can_be_written() -> None:
    lease = Lease(WorkFolder(url="s3://no-such-bucket/.out.mp4.vsr-work"), "out.mp4")
    for _ in range(2):  # and the machine's own lock is free again
        with pytest.raises(MachineError, match="bucket 'no-such-bucket' does not exist"):
            lease.acquire()
