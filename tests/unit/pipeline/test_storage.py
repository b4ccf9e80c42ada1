"""Copies of objects on a machine: read once, kept while used, removed when not; and folders of processes that died."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from object_store import ObjectStore

from vsr.errors import InputError, MachineError
from vsr.media.color import ColorTags
from vsr.media.decode import FrameRecord
from vsr.pipeline.objects import find_object, join_url
from vsr.pipeline.planfile import load_plan, store_plan
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.storage import WorkFolder, local_place, stage, staging_root
from vsr.timeline import Segment


@pytest.fixture
def bucket(objects: ObjectStore) -> str:
    return objects.make_bucket(f"bucket-{uuid.uuid4().hex[:12]}")


def _put(objects: ObjectStore, bucket: str, name: str, text: str) -> str:
    objects.client.put_object(Bucket=bucket, Key=name, Body=text.encode())
    return f"s3://{bucket}/{name}"


def test_many_ask_and_one_reads(objects: ObjectStore, bucket: str) -> None:
    url = _put(objects, bucket, "reel.mp4", "x" * 100_000)
    mark = objects.mark()

    def ask(number: int) -> bytes:
        with stage(url) as copy:
            assert copy.name == "reel.mp4"
            return copy.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(24))) == {b"x" * 100_000}
    assert objects.requests("GET", mark) == [f"/{bucket}/reel.mp4"]


def test_other_processes_find_the_copy(objects: ObjectStore, bucket: str) -> None:
    url = _put(objects, bucket, "reel.mp4", "here")
    mark = objects.mark()
    code = f"from vsr.pipeline.storage import stage\nwith stage({url!r}) as copy: print(copy.read_text())"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0] for process in running] == ["here\n"] * 3
    assert objects.requests("GET", mark) == [f"/{bucket}/reel.mp4"]


def test_a_new_version_is_read_again_and_an_old_one_refused(objects: ObjectStore, bucket: str) -> None:
    url = _put(objects, bucket, "reel.mp4", "old")
    facts = find_object(url)
    assert facts is not None
    with stage(url, facts.version) as copy:
        assert copy.read_text() == "old"
    _put(objects, bucket, "reel.mp4", "new")
    with stage(url) as copy:
        assert copy.read_text() == "new"
    with stage(url, facts.version) as copy:  # still here: no need to ask the store
        assert copy.read_text() == "old"
    shutil.rmtree(staging_root() / "in")
    with pytest.raises(InputError, match="replaced while it was being worked on"), stage(url, facts.version):
        pass


def test_copies_in_use_stay_and_the_oldest_others_go(objects: ObjectStore, bucket: str) -> None:
    urls = [_put(objects, bucket, f"{number}.mp4", str(number)) for number in range(14)]
    with ExitStack() as stack:
        held = [stack.enter_context(stage(url)) for url in urls[:3]]
        loose = []
        for url in urls[3:]:
            with stage(url) as copy:
                loose.append(copy)
            os.utime(copy.parent, (len(loose), len(loose)))
        assert [copy.read_text() for copy in held] == ["0", "1", "2"]
        assert [copy.exists() for copy in loose] == [False] * 6 + [True] * 5
    mark = objects.mark()
    with stage(urls[3]) as copy:  # removed, so read again
        assert copy.read_text() == "3"
    assert objects.requests("GET", mark) == [f"/{bucket}/3.mp4"]


def test_no_room_is_said_before_anything_is_copied(
    objects: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = _put(objects, bucket, "reel.mp4", "x" * 1000)
    with stage(_put(objects, bucket, "other.mp4", "y")) as other:
        pass
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2000, 1500, 500))
    mark = objects.mark()
    with pytest.raises(MachineError, match=r"it has 1,000 bytes .* has room for 500; VSR_STAGING names"), stage(url):
        pass
    assert not objects.requests("GET", mark)
    assert not other.exists()  # it was removed for more room


def test_errors_inside_name_the_url(objects: ObjectStore, bucket: str) -> None:
    url = _put(objects, bucket, "reel.mp4", "x")
    with pytest.raises(InputError, match=f"^{url}: is not a video$"), stage(url) as copy:
        raise InputError(f"{copy}: is not a video")


def test_what_is_not_there(objects: ObjectStore, bucket: str) -> None:
    with (
        pytest.raises(InputError, match=f"^s3://{bucket}/none.mp4: no such object$"),
        stage(f"s3://{bucket}/none.mp4"),
    ):
        pass
    with pytest.raises(InputError, match="bucket 'no-such-bucket' does not exist"), stage("s3://no-such-bucket/a.mp4"):
        pass


@pytest.mark.usefixtures("objects")
def test_a_killed_process_leaves_nothing_for_long() -> None:
    code = """
import os, signal, sys
from vsr.pipeline.storage import local_place
place = local_place("s3://some/folder/out.mp4")
place.write_text("half")
print(place, flush=True)
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = [
        subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, check=False)
        for how in ("kill", "end")
    ]
    assert [one.returncode for one in done] == [-signal.SIGKILL, 0]
    killed, ended = (Path(one.stdout.strip()) for one in done)
    assert not killed.exists()  # the second one removed what the first had left
    assert not ended.exists()
    mine = local_place("s3://some/folder/out.mp4")
    mine.write_text("mine")
    subprocess.run([sys.executable, "-c", code, "end"], capture_output=True, check=True)
    assert mine.read_text() == "mine"  # and what is in use stays


def test_a_work_folder_in_a_store(objects: ObjectStore, bucket: str) -> None:
    work = WorkFolder(url=f"s3://{bucket}/out/.a [1]*.mp4.vsr-work")
    other = WorkFolder(url=f"s3://{bucket}/out/.a 1x.mp4.vsr-work")  # what a pattern would match, too
    for folder in (work, other):
        folder.make()
        assert not folder.holds_segments()
        for name in ("plan-000000-x.json", "segment-000000-y.bin", "segment-000000-y.json", "lease.json"):
            (folder.path / name).write_text(name)
            folder.commit(folder.path / name)
            assert not (folder.path / name).exists()
    assert work.holds_segments()
    assert work.fetch("segment-000000-y.bin").read_text() == "segment-000000-y.bin"
    assert not work.fetch("segment-000009-y.bin").exists()
    work.forget("segment-000000-y.bin")
    assert not list(work.path.iterdir())
    work.clear_attempts()
    assert "plan-000000-x.json" not in [name.rpartition("/")[2] for name in objects.names(bucket, "out/.a [1]")]
    work.remove()
    assert objects.names(bucket, "out/.a [1]") == ["out/.a [1]*.mp4.vsr-work/lease.json"]
    assert len(objects.names(bucket, "out/.a 1x")) == 4


def test_a_removed_folder_stays_removed_while_somebody_writes(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / ".out.mp4.vsr-work")
    work.make()
    has_begun, is_over = threading.Event(), threading.Event()

    def write() -> None:
        while not is_over.is_set():
            store_plan(work, planned)
            has_begun.set()

    zeros = FrameRecord(*[0] * len(dataclasses.fields(FrameRecord)))
    record = dataclasses.replace(zeros, aspect=(16, 15), tags=ColorTags(9, 16, 9, 1), fields="top first")
    planned = PlannedSegment(Segment(0, 0, 1, 0, 1), (record,), ())
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write) for _ in range(2)]
        try:
            assert has_begun.wait(10)
            work.remove()
            assert not work.path.exists()
            for writer in writers:
                with pytest.raises(MachineError, match="cannot write plan"):
                    writer.result(10)
        finally:
            is_over.set()  # else a failure would wait for the writers
    assert not work.path.exists()


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / ".out.mp4.vsr-work")
    work.make()
    zeros = FrameRecord(*[0] * len(dataclasses.fields(FrameRecord)))
    record = dataclasses.replace(zeros, aspect=(16, 15), tags=ColorTags(9, 16, 9, 1), fields="top first")
    planned = PlannedSegment(Segment(0, 0, 1, 0, 1), (record,), (), next_pts=512)
    assert load_plan(work, store_plan(work, planned)) == planned


def test_joining() -> None:
    assert join_url("s3://a/b/", "c") == join_url("s3://a/b", "c") == "s3://a/b/c"
