"""Killed, starved and tampered-with runs: nothing lost, nothing half-written, the same bytes in the end."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from plain_reader import first_frames, is_working_name, read_plain

import vsr
from vsr.api.upscaling import check_plan
from vsr.pipeline.manifest import manifest_path

Clips = Callable[[str], Path]
_SETTINGS = {"method": "lanczos", "speed": "ultrafast", "encoder_threads": 2, "segment_frames": 16}
_RUN = """
import json, sys
import vsr
source, target, settings = sys.argv[1:4]
try:
    vsr.upscale(source, target, settings=json.loads(settings))
except vsr.VsrError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


def _start(source: Path, target: Path, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _RUN, str(source), str(target), json.dumps(_SETTINGS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def _work(target: Path) -> Path:
    return target.with_name(f".{target.name}.vsr-work")


def _finished(target: Path) -> set[str]:
    return {path.name for path in _work(target).glob("segment-*.json")} if _work(target).is_dir() else set()


@pytest.fixture(scope="module")
def whole(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run that nothing disturbed."""
    target = tmp_path_factory.mktemp("whole") / "out.mp4"
    vsr.upscale(clips("long"), target, settings=_SETTINGS)
    return target


def _half_done(clips: Clips, target: Path, segments: int = 3) -> set[str]:
    """A work folder as a killed run leaves it: some segments finished, one half-written."""

    class Stop(Exception):
        pass

    def stop(progress: vsr.Progress) -> None:
        if len(_finished(target)) >= segments:
            raise Stop

    with pytest.raises(Stop):
        vsr.upscale(clips("long"), target, settings=_SETTINGS, on_progress=stop)
    (_work(target) / "segment-000009-0123456789abcdef.00ff.tmp").write_bytes(b"half")
    assert not target.exists()
    return _finished(target)


def _resume(clips: Clips, target: Path, source: str = "long", **changes: Any) -> dict[str, Any]:
    [outcome] = vsr.upscale(clips(source), target, settings=_SETTINGS | changes)
    assert outcome.manifest is not None
    assert not [path.name for path in target.parent.iterdir() if is_working_name(path.name)]
    return dict(outcome.manifest)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (2, 3))])
def test_killed_at_any_moment_it_ends_with_the_same_bytes(clips: Clips, whole: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    target = tmp_path / "out.mp4"
    kills = 0
    for _ in range(5):
        process = _start(clips("long"), target, start_new_session=True)
        began = time.monotonic()
        while process.poll() is None and not _work(target).is_dir() and time.monotonic() - began < 30:
            time.sleep(0.005)
        try:
            process.wait(rng.uniform(0.0, 0.9))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        if target.exists():
            break
        assert not any(p.suffix == ".mp4" and not is_working_name(p.name) for p in tmp_path.iterdir())
    assert kills
    if not manifest_path(target).exists():
        _resume(clips, target)
    assert target.read_bytes() == whole.read_bytes()
    assert manifest_path(target).exists()


@pytest.mark.parametrize("name", ["out.mp4", "out/%06d.png"])
@pytest.mark.parametrize("harm", [None, "another file", "a manifest"])
def test_killed_between_the_output_and_its_manifest(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, harm: str | None
) -> None:
    """The same command goes on, unless what has the output's name now is not what the run put there."""
    target = tmp_path / name
    place = target if target.suffix == ".mp4" else target.parent

    class Killed(BaseException):
        pass

    def kill(*arguments: object, **more: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("vsr.pipeline.run.write_checksums", kill)
        with pytest.raises(Killed):
            vsr.upscale(clips("plain"), target, settings=_SETTINGS)
    assert place.exists()
    assert not manifest_path(target).exists()
    if harm is None:
        check_plan(vsr.plan(clips("plain"), target, settings=_SETTINGS), overwrite=False)  # a dry run refuses nothing
        manifest = _resume(clips, target, source="plain")
        assert all(segment["reused"] for segment in manifest["segments"])
        assert all(check.passed for check in vsr.verify(target))
        assert not [path.name for path in tmp_path.iterdir() if is_working_name(path.name)]
        return
    if harm == "a manifest":
        manifest_path(target).write_text("{}")
    elif place == target:
        target.write_bytes(b"somebody's own")
    else:
        (place / "notes.txt").write_text("somebody's own")
    before = _contents(place)
    with pytest.raises(vsr.UsageError, match=r"exists; give --overwrite|holds other things \(notes\.txt\)"):
        vsr.upscale(clips("plain"), target, settings=_SETTINGS)
    assert _contents(place) == before


def _contents(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (place.iterdir() if place.is_dir() else [place])}


def test_finished_segments_are_reused_and_the_bytes_are_the_same(clips: Clips, whole: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    kept = _half_done(clips, target)
    assert len(kept) >= 3
    manifest = _resume(clips, target)
    assert sum(segment["reused"] for segment in manifest["segments"]) == len(kept)
    assert target.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty", "remove", "sidecar rubbish", "sidecar gone"])
def test_a_spoiled_segment_is_made_again(clips: Clips, whole: Path, tmp_path: Path, harm: str) -> None:
    target = tmp_path / "out.mp4"
    kept = _half_done(clips, target)
    sidecar = sorted(_work(target).glob("segment-*.json"))[1]
    media = sidecar.with_suffix(".bin")
    data = bytearray(media.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 0x10
        media.write_bytes(bytes(data))
    elif harm in ("truncate", "empty"):
        media.write_bytes(bytes(data[: len(data) // 2 if harm == "truncate" else 0]))
    elif harm == "remove":
        media.unlink()
    elif harm == "sidecar rubbish":
        sidecar.write_bytes(os.urandom(300))
    else:
        sidecar.unlink()
    manifest = _resume(clips, target)
    assert sum(segment["reused"] for segment in manifest["segments"]) == len(kept) - 1
    assert target.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("changes", [{"crf": 30}, {"scale": 3}, {"method": "bicubic"}, {"encoder_threads": 1}], ids=str)
def test_other_settings_reuse_nothing(clips: Clips, tmp_path: Path, changes: dict[str, Any]) -> None:
    target = tmp_path / "out.mp4"
    _half_done(clips, target)
    manifest = _resume(clips, target, **changes)
    assert not any(segment["reused"] for segment in manifest["segments"])


def test_another_input_of_the_same_name_reuses_nothing(clips: Clips, tmp_path: Path) -> None:
    source, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    source.write_bytes(clips("long").read_bytes())

    class Stop(Exception):
        pass

    def stop(progress: vsr.Progress) -> None:
        if len(_finished(target)) >= 2:
            raise Stop

    with pytest.raises(Stop):
        vsr.upscale(source, target, settings=_SETTINGS, on_progress=stop)
    assert _finished(target)
    source.write_bytes(clips("open_gop_h264").read_bytes())
    [outcome] = vsr.upscale(source, target, settings=_SETTINGS)
    assert outcome.manifest is not None
    assert not any(segment["reused"] for segment in outcome.manifest["segments"])
    assert len(read_plain(target).streams) == 1, "the new input has no sound"


def test_a_second_run_on_the_same_output_is_turned_away(clips: Clips, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    _work(target).mkdir()
    with FileLock(_work(target) / "lock"), pytest.raises(vsr.WorkFolderBusy, match="another run is at work"):
        vsr.upscale(clips("plain"), target, settings=_SETTINGS)
    assert not target.exists()
    vsr.upscale(clips("plain"), target, settings=_SETTINGS)
    assert len(first_frames(target)) == 30


def test_two_processes_at_once(clips: Clips, whole: Path, tmp_path: Path) -> None:
    """One wins; the other says so and harms nothing."""
    target = tmp_path / "out.mp4"
    processes = [_start(clips("long"), target) for _ in range(2)]
    messages = [process.communicate(timeout=60)[1].decode() for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert 0 in codes, messages
    assert codes[1] in (0, 2, 5), messages  # 2: it came after the other had finished
    assert target.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    "limit", [20_000, *(pytest.param(limit, marks=pytest.mark.nightly) for limit in (3_000, 60_000))]
)
def test_a_full_disk_is_said_and_leaves_no_output(clips: Clips, tmp_path: Path, limit: int) -> None:
    """Files may not grow beyond ``limit`` bytes: what a full disk or a quota looks like to a program."""

    def restrict() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    target = tmp_path / "out.mp4"
    process = _start(clips("long"), target, preexec_fn=restrict)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 5, message.decode()
    assert b"MachineError" in message
    assert b"Traceback" not in message
    assert not target.exists()
    assert not [p.name for p in tmp_path.iterdir() if ".vsr-partial" in p.name]
    _resume(clips, target)
    assert len(first_frames(target)) == 150


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root to mount a tiny file system")
@pytest.mark.parametrize("size_kib", [24, 96, 200])
def test_a_really_full_disk(clips: Clips, tmp_path: Path, size_kib: int) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(vsr.MachineError):
            vsr.upscale(clips("long"), disk / "out.mp4", settings=_SETTINGS)
        assert not (disk / "out.mp4").exists()
        assert not [p.name for p in disk.iterdir() if ".vsr-partial" in p.name]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_missing_output_folder(clips: Clips, tmp_path: Path) -> None:
    with pytest.raises(vsr.MachineError, match="does not exist"):
        vsr.upscale(clips("plain"), tmp_path / "none" / "out.mp4", settings=_SETTINGS)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_folder(clips: Clips, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    with pytest.raises(vsr.MachineError, match="not writable"):
        vsr.upscale(clips("plain"), folder / "out.mp4", settings=_SETTINGS)


def test_a_read_only_output_folder_as_reported_by_the_system(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for root, whose write permission is asked and denied."""
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(vsr.MachineError, match="not writable"):
        vsr.upscale(clips("plain"), tmp_path / "out.mp4", settings=_SETTINGS)


def test_a_work_folder_elsewhere(clips: Clips, whole: Path, tmp_path: Path) -> None:
    target, base = tmp_path / "out.mp4", tmp_path / "scratch"
    vsr.upscale(clips("long"), target, settings=_SETTINGS, work_dir=base)
    assert target.read_bytes() == whole.read_bytes()
    assert list(base.iterdir()) == []


def test_an_interrupt_keeps_finished_segments_and_removes_the_half_written(clips: Clips, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"

    def interrupt(progress: vsr.Progress) -> None:
        if len(_finished(target)) >= 2 and progress.frames_done % 16 == 7:
            raise KeyboardInterrupt

    _work(target).mkdir()
    for leftover in ("segment-000000-0123456789abcdef.00ff.tmp", ".segment-000000-0123456789abcdef.json.00ff.tmp"):
        (_work(target) / leftover).write_bytes(b"of a run that was killed")
    with pytest.raises(KeyboardInterrupt):
        vsr.upscale(clips("long"), target, settings=_SETTINGS, on_progress=interrupt)
    assert len(_finished(target)) >= 2
    assert not [path.name for path in _work(target).iterdir() if path.suffix == ".tmp"]
    assert not target.exists()


def test_a_source_that_changes_during_the_run_is_noticed(clips: Clips, tmp_path: Path) -> None:
    source, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    source.write_bytes(clips("long").read_bytes())
    other = clips("open_gop_h264").read_bytes()

    def swap(progress: vsr.Progress) -> None:
        if progress.frames_done == 20 and source.stat().st_size != len(other):
            source.write_bytes(other)

    with pytest.raises(vsr.VsrError):
        vsr.upscale(source, target, settings=_SETTINGS, on_progress=swap)
    assert not target.exists()
