"""The recipes in pipelines/, run as their users do: directly, and as jobs of a Ray cluster.

Most runs are those of the script's own main block in this process, which spares starting torch for each.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from object_store import ObjectStore
from plain_reader import read_plain
from program import Run
from videos import X264, encode, scene

import vsr

Clips = Callable[[str], Path]
ROOT = Path(__file__).parents[2]
QUICK = [part for text in ("method=lanczos", "encoder_threads=1", "num_cpus=0.5") for part in ("--set", text)]


Recipe = Callable[..., Run]


def _command(name: str, *arguments: object) -> list[str]:
    return [str(ROOT / "pipelines" / f"{name}.py"), *map(str, arguments), *QUICK]


def _run_alone(name: str, *arguments: object, **environment: str) -> Run:
    """As a process of its own."""
    command = [sys.executable, *_command(name, *arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env=os.environ | environment
    )
    return Run(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Recipe:
    """``recipe("film_archive", …)`` runs the script and gives exit code and what it printed."""

    def run(name: str, *arguments: object) -> Run:
        command = _command(name, *arguments)
        monkeypatch.setattr(sys, "argv", command)
        before = signal.getsignal(signal.SIGTERM)
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                runpy.run_path(command[0], run_name="__main__")
        finally:
            signal.signal(signal.SIGTERM, before)
        caught = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Run(ended.value.code, caught.out, caught.err)

    return run


@pytest.fixture
def reels(clips: Clips, tmp_path: Path) -> Path:
    folder = tmp_path / "reels"
    folder.mkdir()
    for name in ("plain", "cfr"):
        shutil.copy(clips(name), folder / f"{name}.mp4")
    return folder


def test_masters_of_all_reels_and_a_second_run_that_does_nothing(recipe: Recipe, reels: Path, tmp_path: Path) -> None:
    (reels / "bad.mp4").write_bytes(b"no video" * 100)
    target = tmp_path / "masters"
    done = recipe("film_archive", reels, "-o", target)
    assert done.code == 3
    assert not done.err
    assert "bad.mp4: FAILED: " in done.out
    assert done.out.splitlines()[-1] == f"2 of 3 reels are restored; see {target}"
    assert json.loads((target / "batch.json").read_text())["counts"] == {"failed": 1, "done": 2}
    master = read_plain(target / "cfr.mov")
    assert master.video.codec == "ffv1"
    assert len(master.video.payloads) == 60
    assert master.of("audio")[0].digest == read_plain(reels / "cfr.mp4").of("audio")[0].digest
    before = (target / "cfr.mov").stat().st_mtime_ns
    (reels / "bad.mp4").unlink()
    again = recipe("film_archive", reels, "-o", target)
    assert again.code == 0
    assert again.out.count("done before, ") == 2
    assert (target / "cfr.mov").stat().st_mtime_ns == before


def test_prores_masters_of_a_single_reel(recipe: Recipe, reels: Path, tmp_path: Path) -> None:
    for words in ("done in", "done before"):
        done = recipe(
            "film_archive", reels / "plain.mp4", "-o", tmp_path / "masters", "--master", "prores", "--scale", 1
        )
        assert done.code == 0, done.out + done.err
        assert words in done.out
    master = read_plain(tmp_path / "masters" / "plain.mov")
    assert master.video.codec == "prores"
    assert vsr.probe(tmp_path / "masters" / "plain.mov").video.width == vsr.probe(reels / "plain.mp4").video.width


def test_scanned_pictures_become_masters(recipe: Recipe, reels: Path, tmp_path: Path) -> None:
    """Folders of DPX beside a reel that is a video; a rate is asked for."""
    for name in ("one", "two"):
        vsr.export_frames(reels / "plain.mp4", tmp_path / name / "%03d.dpx", end=3)
        (tmp_path / name / "timing.json").unlink()
    arguments = [tmp_path / "one", tmp_path / "two" / "%03d.dpx", reels / "plain.mp4", "-o", tmp_path / "masters"]
    done = recipe("film_archive", *arguments)
    assert (done.code, done.out.count("give --fps")) == (2, 2)
    for words in ("done in", "done before"):
        done = recipe("film_archive", *arguments, "--fps", "24")
        assert done.code == 0, done.out + done.err
        assert done.out.count(words) == (2 if words == "done in" else 3)
    for name in ("one", "two"):
        master = read_plain(tmp_path / "masters" / f"{name}.mov")
        assert (master.video.codec, len(master.video.payloads)) == ("ffv1", 3)
        assert vsr.probe(tmp_path / "masters" / f"{name}.mov").video.average_rate == 24


def test_no_folder_is_not_the_root(recipe: Recipe, reels: Path) -> None:
    done = recipe("film_archive", reels, "-o", "")
    assert (done.code, done.err.splitlines()[-1].endswith("error: -o names no folder")) == (2, True)


def test_reels_from_a_store(recipe: Recipe, objects: ObjectStore, reels: Path, tmp_path: Path) -> None:
    bucket = objects.make_bucket(f"film-{uuid.uuid4().hex[:12]}")
    urls = [objects.put(bucket, f"scans/{name}.mp4", reels / f"{name}.mp4") for name in ("plain", "cfr")]
    (tmp_path / "reels.txt").write_text("\n".join(urls))
    done = recipe("film_archive", tmp_path / "reels.txt", "-o", f"s3://{bucket}/masters")
    assert done.code == 0, done.out + done.err
    kinds = ("", ".framemd5", ".input.framemd5")  # the preset keeps checksums of frames
    made = [name for name in objects.names(bucket, "masters/") if not name.endswith(".json")]
    assert made == [f"masters/{name}.mkv{kind}" for name in ("cfr", "plain") for kind in kinds]
    recipe("film_archive", reels, "-o", tmp_path / "masters")
    local = read_plain(tmp_path / "masters" / "cfr.mov").video.payloads
    (tmp_path / "cfr.mkv").write_bytes(objects.read(bucket, "masters/cfr.mkv"))
    assert read_plain(tmp_path / "cfr.mkv").video.payloads == local


@pytest.mark.parametrize("name", ["film_archive", "surveillance"])
def test_what_cannot_be_is_said_in_one_line(recipe: Recipe, name: str, tmp_path: Path) -> None:
    for arguments, code, message in (
        ((tmp_path / "none",), 3, "none"),
        ((ROOT / "configs",), 3, "holds no videos"),
        ((ROOT / "configs", "--set", "no_such_key=1"), 2, "unknown setting 'no_such_key'"),
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


def test_every_camera_has_its_folder_and_every_recording_its_line(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    for camera, names in {"gate": ["plain", "cfr"], "lobby": ["plain"], "yard": []}.items():
        (tmp_path / "recordings" / camera).mkdir(parents=True)
        for name in names:
            shutil.copy(clips(name), tmp_path / "recordings" / camera / f"{name}.mp4")
    (tmp_path / "recordings" / "lobby" / "torn.mp4").write_bytes(clips("cfr").read_bytes()[:3000])
    target = tmp_path / "clips"
    done = recipe("surveillance", tmp_path / "recordings", "-o", target)
    assert done.code == 3, done.out + done.err
    rows = list(csv.DictReader((target / "outcomes.csv").open(encoding="utf-8", newline="")))
    assert [(row["camera"], Path(row["input"]).name, row["status"]) for row in rows] == [
        ("gate", "cfr.mp4", "done"),
        ("gate", "plain.mp4", "done"),
        ("lobby", "plain.mp4", "done"),
        ("lobby", "torn.mp4", "failed"),
        ("yard", "yard", "failed"),
    ]
    assert [row["exit_code"] for row in rows] == ["0", "0", "0", "3", "3"]
    assert "holds no videos" in rows[4]["error"]
    assert rows[0]["evidence"] == "interpolation"  # what lanczos rests on; the preset's method says observation-model
    assert rows[0]["generative"] == "False"
    manifest = json.loads((target / "gate" / "cfr.mov.vsr.json").read_text())
    assert rows[0]["input_sha256"] == manifest["input"]["sha256"] != ""
    assert rows[0]["output_sha256"] == manifest["output"]["files"]["cfr.mov"]
    assert read_plain(Path(rows[0]["output"])).video.codec == "ffv1"
    table: list[dict[str, Any]] = json.loads((target / "outcomes.json").read_text())
    assert [{key: str(value) for key, value in row.items()} for row in table] == rows
    again = recipe("surveillance", tmp_path / "recordings", "-o", target)
    assert again.code == 3
    table = json.loads((target / "outcomes.json").read_text())
    assert [row["status"] for row in table] == ["done before"] * 3 + ["failed"] * 2


def test_the_preset_is_evidence_based(clips: Clips, tmp_path: Path) -> None:
    """Without settings of the test's own: the whole way of the preset, on one short recording."""
    camera = tmp_path / "gate"
    camera.mkdir()
    encode(camera / "a.mp4", scene(6, 64, 48), *X264)
    command = [sys.executable, str(ROOT / "pipelines" / "surveillance.py"), str(camera), "-o", str(tmp_path / "clips")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [row] = json.loads((tmp_path / "clips" / "outcomes.json").read_text())
    assert (row["method"], row["evidence"], row["generative"]) == ("multiframe", "observation-model", False)
    assert row["num_frames"] == 6


def test_recordings_beside_a_folder_of_others_are_not_left_out(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "rec" / "old").mkdir(parents=True)
    for place in (tmp_path / "rec" / "today.mp4", tmp_path / "rec" / "old" / "first.mp4"):
        shutil.copy(clips("plain"), place)
    done = recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "clips")
    assert done.code == 0, done.out + done.err
    rows = list(csv.DictReader((tmp_path / "clips" / "outcomes.csv").open(encoding="utf-8", newline="")))
    assert [(row["camera"], Path(row["input"]).name) for row in rows] == [("rec", "today.mp4"), ("old", "first.mp4")]
    done = recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "rec" / "today.mp4")
    assert (done.code, "Not a directory" in done.err, len(done.err.splitlines())) == (5, True, 1)


def _record(clips: Clips, folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        shutil.copy(clips("plain"), folder / name)
    return folder


def _table(folder: Path) -> list[tuple[str, str, str]]:
    """Camera, recording, status of each row."""
    rows = json.loads((folder / "outcomes.json").read_text(encoding="utf-8"))
    return [(row["camera"], Path(row["input"]).name, row["status"]) for row in rows]


def test_clips_among_recordings(recipe: Recipe, clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of clips beside the cameras is none; clips are never put into a camera's folder, nor beside it."""
    gate = _record(clips, tmp_path / "rec" / "gate", "a.mp4")
    for status in ("done", "done before"):
        done = recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "rec" / "clips")
        assert done.code == 0, done.out + done.err
        assert _table(tmp_path / "rec" / "clips") == [("gate", "a.mp4", status)]
    for folder, output in ((tmp_path / "rec", tmp_path / "rec"), (gate, tmp_path / "rec"), (gate, gate)):
        done = recipe("surveillance", folder, "-o", output)
        assert (done.code, "would lie among recordings" in done.err) == (2, True)
    (gate / "here").mkdir()
    monkeypatch.chdir(gate / "here")
    done = recipe("surveillance", "..", "-o", tmp_path / "clips")
    assert (tmp_path / "clips" / "gate" / "a.mov").exists(), done.out + done.err


def test_a_camera_that_is_refused_stops_no_other(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    _record(clips, tmp_path / "rec" / "east", "a.mp4", "a.mov")
    _record(clips, tmp_path / "rec" / "west", "a.mp4")
    done = recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "clips")
    assert (done.code, done.err) == (2, "")
    assert "would both become" in done.out
    assert _table(tmp_path / "clips") == [("east", "east", "failed"), ("west", "a.mp4", "done")]


def test_rows_of_earlier_runs_stay(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    """Of a camera that is not named this time, failures too, and of recordings whose clips are all that is left."""
    gate, yard = (_record(clips, tmp_path / "rec" / name, "a.mp4") for name in ("gate", "yard"))
    for folder in (gate, yard):
        (folder / "torn.mp4").write_bytes(b"no video" * 100)
    assert recipe("surveillance", tmp_path / "rec", "-o", tmp_path / "clips").code == 3
    (gate / "a.mp4").rename(gate / "b.mp4")
    (gate / "torn.mp4").unlink()
    assert recipe("surveillance", gate, "-o", tmp_path / "clips").code == 0
    expected = [("gate", "a.mp4", "done"), ("yard", "a.mp4", "done"), ("yard", "torn.mp4", "failed")]
    assert _table(tmp_path / "clips") == [*expected, ("gate", "b.mp4", "done")]


def test_a_table_that_is_not_ours_is_not_replaced(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    _record(clips, tmp_path / "gate", "a.mp4")
    table = tmp_path / "clips" / "outcomes.json"
    table.parent.mkdir()
    table.write_text("somebody's")
    done = recipe("surveillance", tmp_path / "gate", "-o", table.parent)
    assert (done.code, done.err) == (2, f"surveillance: {table} is no table of this pipeline; move it away\n")
    assert [entry.name for entry in table.parent.iterdir()] == ["outcomes.json"]


def test_a_camera_of_pictures(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    vsr.export_frames(clips("plain"), tmp_path / "gate" / "%06d.png", end=2)
    for codec, name in (("ffv1", "gate.mkv"), ("png", "%06d.png")):
        done = recipe("surveillance", tmp_path / "gate", "-o", tmp_path / codec, "--set", f"codec={codec}")
        assert done.code == 0, done.out + done.err
        [row] = json.loads((tmp_path / codec / "outcomes.json").read_text(encoding="utf-8"))
        assert (Path(row["output"]).name, row["num_frames"], bool(row["output_sha256"])) == (name, 2, codec == "ffv1")


def test_cameras_of_one_name_are_refused(recipe: Recipe, clips: Clips, tmp_path: Path) -> None:
    for place in ("east", "west"):
        (tmp_path / place / "gate").mkdir(parents=True)
    done = recipe("surveillance", tmp_path / "east", tmp_path / "west", "-o", tmp_path / "clips")
    assert done.code == 2
    assert "have the same name" in done.err


def test_a_stopped_run_goes_on(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "reels").mkdir()
    encode(tmp_path / "reels" / "a.mp4", scene(640, 64, 48), *X264)
    command = [sys.executable, str(ROOT / "pipelines" / "film_archive.py"), str(tmp_path / "reels")]
    command += ["-o", str(tmp_path / "masters"), *QUICK, "--set", "segment_frames=16"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    work = tmp_path / "masters" / ".a.mov.vsr-work"
    while process.poll() is None and len(list(work.glob("segment-*.json"))) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 6, err
    assert err == "film_archive: stopped; the same command goes on from there\n"
    assert json.loads((tmp_path / "masters" / "batch.json").read_text())["counts"] == {"unfinished": 1}
    done = recipe("film_archive", tmp_path / "reels", "-o", tmp_path / "masters", "--set", "segment_frames=16")
    assert done.code == 0, done.err
    manifest = json.loads((tmp_path / "masters" / "a.mov.vsr.json").read_text())
    assert sum(segment["reused"] for segment in manifest["segments"]) >= 3


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """A Ray head of our own, as `ray start --head` makes it; its ports."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = {"gcs": one.getsockname()[1], "dashboard": two.getsockname()[1]}
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", uuid.uuid4().hex)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    place = Path("/tmp") / f"vsr-test-{uuid.uuid4().hex[:8]}"  # sockets have short names
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={ports['gcs']}"]
    command += [f"--dashboard-port={ports['dashboard']}", "--num-cpus=2", f"--temp-dir={place}"]
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
def test_as_a_job_of_a_cluster(head: dict[str, int], reels: Path, tmp_path: Path) -> None:
    """Submitted where Ray has its job server (the extra `cluster`), else started as that server would."""
    script = [sys.executable, str(ROOT / "pipelines" / "film_archive.py"), str(reels)]
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
def test_a_cluster_that_wants_a_token(head: dict[str, int], reels: Path, tmp_path: Path) -> None:
    address = f"127.0.0.1:{head['gcs']}"
    for environment in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN": "wrong" * 4}):
        done = _run_alone("film_archive", reels, "-o", tmp_path / "masters", "--ray", address, **environment)
        assert done.code == 5
        assert done.err.startswith(f"film_archive: the Ray cluster at {address} does not let us in; if it wants")
        assert len(done.err.splitlines()) == 1
