"""The studio as it runs: a server in a process of its own, asked over the wire; what it runs are command lines."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from studio_server import Studio, studio
from videos import X264, encode, scene

import vsr

pytestmark = pytest.mark.slow

SLOW = {"input": "clip.mp4", "method": "multiframe", "codec": "ffv1", "report": False}
HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio") / "videos"
    folder.mkdir()
    (folder.parent / "secret.mp4").write_bytes(b"secret")
    encode(folder / "clip.mp4", scene(60, 96, 64, cuts=(25,)), *X264, "-metadata", f"title={HOSTILE}")
    with studio(folder, "--upload-gb", "0.001") as started:
        yield started


def _open(running: Studio, name: str = "clip.mp4") -> str:
    found = running.post("/api/open", {"name": name})
    assert found.status == 200, found.body
    key = str(found.json["id"])
    deadline = time.monotonic() + 30
    while not running.get(f"/api/videos/{key}").json["complete"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return key


def test_only_this_machine_can_connect(running: Studio) -> None:
    [bound] = [one.laddr for one in psutil.Process(running.process.pid).net_connections() if one.status == "LISTEN"]
    assert bound.ip == "127.0.0.1"
    assert bound.port == running.port


def test_without_the_key_or_from_elsewhere_nothing_is_answered(running: Studio) -> None:
    attacks: list[dict[str, str | None]] = [
        {"Cookie": None},
        {"Cookie": f"vsr-studio-{running.port}=guess"},
        {"Host": "evil.example"},
        {"Host": f"evil.example:{running.port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ]
    for headers in attacks:
        assert running.ask("GET", "/api/files", headers=headers).status == 403, headers
        answer = running.ask("POST", "/api/open", {"name": "clip.mp4"}, headers=headers)
        assert answer.status == 403, headers
        assert b"clip" not in answer.body
    assert running.ask("POST", "/api/open", {"name": "clip.mp4"}, headers={"Origin": None}).status == 403
    assert running.get("/api/files").status == 200


def test_a_browser_gets_the_key_once_and_keeps_it_where_scripts_cannot_read_it(running: Studio) -> None:
    landed = running.ask("GET", f"/?token={running.token}", headers={"Cookie": None})
    assert landed.status == 303
    assert landed.headers["location"] == "/"
    cookie = landed.headers["set-cookie"].partition(";")[0]
    page = running.ask("GET", "/", headers={"Cookie": cookie})
    assert page.status == 200
    assert b"<script" in page.body
    assert "'unsafe" not in page.headers["content-security-policy"]
    assert running.token.encode() not in page.body


def test_files_outside_cannot_be_named(running: Studio) -> None:
    (running.folder / "way-out.mp4").symlink_to(running.folder.parent / "secret.mp4")
    names = ["../secret.mp4", "/etc/passwd", "way-out.mp4", ".vsr-studio/lock", "..%2fsecret.mp4", "clip.mp4\0"]
    for name in names:
        for path, body in (
            ("/api/open", {"name": name}),
            ("/api/plan", {"kind": "upscale", "choice": {"input": name}}),
            ("/api/plan", {"kind": "upscale", "choice": {"input": "clip.mp4", "output": f"{name}.mkv"}}),
            ("/api/jobs", {"kind": "upscale", "choice": {"input": name}}),
            ("/api/jobs", {"kind": "still", "choice": {"input": name, "at": "0"}}),
            ("/api/jobs", {"kind": "try", "choice": {"input": name}}),
            ("/api/previews", {"choice": {"input": name}, "frame": 0}),
        ):
            if name == "way-out.mp4" and "output" in body.get("choice", {}):
                continue  # with another ending it is an ordinary name
            answer = running.post(path, body)
            assert answer.status in (400, 422), (path, body, answer.body)
            assert b"secret\n" not in answer.body
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/x", "/api/files?in=.."):
        assert running.get(path).status in (400, 404, 422), path
    assert not [job for job in running.jobs() if job["input"] != "clip.mp4"]


def test_nonsense_is_refused_in_one_line(running: Studio) -> None:
    bodies: list[object] = [b"", b"{", b"[]", b"1", {"kind": "shell"}, {"kind": []}, {"kind": "upscale", "choice": 7}]
    for body in bodies:
        answer = running.ask("POST", "/api/jobs", body)
        assert answer.status == 400, body
        assert "\n" not in answer.error
    assert running.ask("POST", "/api/open", b"x" * 70_000).status == 413
    unannounced = b"%x\r\n%s\r\n0\r\n\r\n" % (70_000, b"x" * 70_000)
    headers = {"Transfer-Encoding": "chunked", "Content-Length": None}
    assert running.ask("POST", "/api/open", unannounced, headers=headers).status == 413
    assert running.ask("PUT", "/api/uploads/un.mp4", unannounced, headers=headers).status == 413
    assert running.get("/api/videos/none").status == 422
    assert running.post("/api/jobs/none/pause").status == 422
    assert running.post("/api/jobs/none/explode").status == 404


def test_uploads_are_whole_videos_of_limited_size_or_nothing(running: Studio) -> None:
    data = (running.folder / "clip.mp4").read_bytes()
    assert running.ask("PUT", "/api/uploads/up.mp4", data).json == {"name": "up.mp4"}
    assert (running.folder / "up.mp4").read_bytes() == data
    assert running.ask("PUT", "/api/uploads/up.mp4", b"other").status == 400
    assert (running.folder / "up.mp4").read_bytes() == data
    for name in ("up.html", "..%2fup2.mp4", ".up.mp4", "a%00.mp4", "%2fup.mp4"):
        assert running.ask("PUT", f"/api/uploads/{name}", data).status in (400, 404), name
    assert running.ask("PUT", "/api/uploads/big.mp4", bytes(1_000_001)).status == 413
    running.break_off("PUT", "/api/uploads/short.mp4", data[:100], announced=5000)
    assert running.ask("PUT", "/api/uploads/x.mp4", data, headers={"Content-Length": "-5"}).status in (400, 413)
    videos = sorted(path.name for path in running.folder.glob("*.mp4") if not path.is_symlink())
    assert videos == ["clip.mp4", "up.mp4"]
    deadline = time.monotonic() + 30
    while list((running.folder / ".vsr-studio").glob("*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_frames_are_those_of_the_command_line(running: Studio, tmp_path: Path) -> None:
    import cv2
    import numpy as np

    key = _open(running)
    exported = vsr.export_frames(running.folder / "clip.mp4", tmp_path / "f" / "%06d.png")
    index = running.get(f"/api/videos/{key}").json
    assert (index["known"], index["cuts"]) == (60, [25])
    for number in (0, 24, 25, 59):
        said = running.get(f"/api/videos/{key}/where?at={number}").json
        named = exported.manifest["frames"][number]
        assert (said["frame"], said["time"]) == (named["ordinal"], named["time"])
        shown = cv2.imdecode(np.frombuffer(running.get(f"/api/videos/{key}/frames/{number}.png").body, np.uint8), 1)
        plain = cv2.imread(str(tmp_path / "f" / named["file"]), cv2.IMREAD_COLOR)
        assert shown.shape == plain.shape
        assert np.abs(shown.astype(int) - plain.astype(int)).max() <= 1  # of 16 bits made 8
    assert running.get(f"/api/videos/{key}/where?at=60").status == 400
    assert running.get(f"/api/videos/{key}/where?at=1.0s").json["frame"] == 25
    assert running.get(f"/api/videos/{key}/frames/3.gif").headers["content-type"] == "image/jpeg"


def test_a_job_is_the_command_that_is_shown(running: Studio) -> None:
    choice = {"input": "clip.mp4", "method": "lanczos", "scale": 2, "codec": "ffv1", "output": "queued.mkv"}
    plan = running.post("/api/plan", {"kind": "upscale", "choice": choice}).json
    job = running.add(**choice)
    assert job["command"] == plan["command"]
    done = running.wait_for(job["id"], "done")
    assert done["has_output"]
    assert done["has_page"]
    assert done["progress"]["frames_done"] == 60
    words = shlex.split(plan["command"])
    other = running.folder / "typed.mkv"
    typed = [sys.executable, "-m", "vsr", *words[1:]]
    typed[typed.index(str(running.folder / "queued.mkv"))] = str(other)
    subprocess.run(typed, check=True, capture_output=True)
    assert other.read_bytes() == (running.folder / "queued.mkv").read_bytes()
    page = running.get(f"/jobs/{job['id']}/page")
    assert page.status == 200
    assert page.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert HOSTILE.encode() not in page.body
    part = running.ask("GET", f"/jobs/{job['id']}/output", headers={"Range": "bytes=0-9"})
    assert (part.status, len(part.body)) == (206, 10)
    assert part.headers["content-disposition"].startswith("attachment")
    assert running.post("/api/jobs", {"kind": "upscale", "choice": choice}).status == 400  # it is there already


def test_prometheus_can_read_how_it_goes(running: Studio) -> None:
    before = _scrape(running)
    choice = {"input": "clip.mp4", "method": "lanczos", "codec": "ffv1", "report": False}
    job = running.add(**choice, output="counted.mkv")
    running.wait_for(job["id"], "done")
    running.post("/api/previews", {"choice": choice, "frame": 3})
    assert running.post("/api/previews", {"choice": choice, "frame": 9999}).status == 400
    rise = Counter(_scrape(running))
    rise.subtract(before)
    assert rise["vsr_frames_total"] == 60
    assert rise["vsr_segments_total"] == 2
    assert rise["vsr_output_bytes_total"] == (running.folder / "counted.mkv").stat().st_size
    assert rise["vsr_job_seconds_total"] > 0.1
    assert rise["vsr_preview_seconds_total"] > 0
    assert rise["vsr_runs_total", "kind", "upscale", "state", "done"] == 1
    assert rise["vsr_jobs", "state", "done"] == 1
    assert rise["vsr_previews_total", "outcome", "made"] == rise["vsr_previews_total", "outcome", "failed"] == 1
    assert before["process_resident_memory_bytes"] > 50e6
    assert running.ask("GET", "/metrics", headers={"Cookie": None}).status == 403


def _scrape(running: Studio) -> dict[Any, float]:
    """The values by name, and by their labels where they have some, as Prometheus itself would read them."""
    headers = {"Cookie": None, "Authorization": f"Bearer {running.token}"}
    answer = running.ask("GET", "/metrics", headers=headers)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.documentation
        for sample in family.samples:
            labels = [text for label in sorted(sample.labels.items()) for text in label]
            found[(sample.name, *labels) if labels else sample.name] = sample.value
    return found


@pytest.mark.nightly
def test_memory_is_flat_over_a_thousand_previews(running: Studio) -> None:
    """Each of another region or frame, so that none is known already: to keep them all would take tens of MB."""
    server = psutil.Process(running.process.pid)
    at: dict[int, tuple[int, int, int]] = {}
    for number in range(1000):
        region = f"{number % 16},{number // 16 % 16},64,40" if number % 2 else None
        asked = {"choice": {"input": "clip.mp4", "method": "lanczos"}, "frame": number * 7 % 60, "roi": region}
        made = running.post("/api/previews", asked)
        assert made.status == 200, made.body
        assert running.get(f"/api/previews/{made.json['id']}/after.png").body.startswith(b"\x89PNG")
        if number in (299, 999):
            at[number] = (server.memory_info().rss, server.num_threads(), server.num_fds())
    assert at[999][0] - at[299][0] < 20e6
    assert all(last <= first + 4 for first, last in zip(at[299][1:], at[999][1:], strict=True))  # threads, files


def test_a_still_and_a_comparison_are_made(running: Studio) -> None:
    still = running.add("still", input="clip.mp4", at="12", roi="16,16,48,32", frames=6, scale=2)
    trial = running.add("try", input="clip.mp4", at="12", methods=["bicubic"])
    assert running.wait_for(still["id"], "done")["has_output"]
    record = running.get(f"/api/jobs/{still['id']}/record").json
    assert record["request"]["roi"] == "16,16,48,32"
    assert running.get(f"/jobs/{still['id']}/output?show").headers["content-type"] == "image/png"
    for what in ("support", "confidence"):
        assert running.get(f"/jobs/{still['id']}/maps/{what}.png").body.startswith(b"\x89PNG")
    assert running.get(f"/jobs/{still['id']}/maps/..png").status == 422
    assert b"Still report" in running.get(f"/jobs/{still['id']}/page").body
    assert running.wait_for(trial["id"], "done")["has_page"]
    assert b"bicubic" in running.get(f"/jobs/{trial['id']}/page").body
    assert running.get(f"/api/jobs/{trial['id']}/record").status == 422


def test_what_cannot_run_is_refused_before_it_is_queued(running: Studio) -> None:
    answer = running.post("/api/jobs", {"kind": "upscale", "choice": {"input": "clip.mp4", "method": "nothing"}})
    assert answer.status in (400, 500)
    assert "nothing" in answer.error
    (running.folder / "broken.mp4").write_bytes(b"no video at all")
    assert running.post("/api/open", {"name": "broken.mp4"}).status == 422


def test_a_killed_server_loses_nothing(tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4", scene(110, 64, 48), *X264)
    with studio(tmp_path) as first:
        running = first.add(**SLOW, output="killed.mkv")
        paused = first.add(**SLOW, output="paused.mkv")
        cancelled = first.add(**SLOW, output="cancelled.mkv")
        first.post(f"/api/jobs/{paused['id']}/pause")
        first.post(f"/api/jobs/{cancelled['id']}/cancel")
        _until_half(first, running["id"])
        [child] = psutil.Process(first.process.pid).children()
        first.kill()
        psutil.wait_procs([child], timeout=30)
        assert not child.is_running()  # a run without its studio would hold the work folder
    with studio(tmp_path) as second:
        states = {job["id"]: job["state"] for job in second.jobs()}
        assert states[paused["id"]] == "paused"
        assert states[cancelled["id"]] == "cancelled"
        assert second.wait_for(running["id"], "done")["progress"]["frames_reused"] >= 48


@pytest.mark.nightly
def test_pause_resume_cancel_and_remove(tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4", scene(110, 64, 48), *X264)
    with studio(tmp_path) as running:
        paused = running.add(**SLOW, output="paused.mkv")
        whole = running.add(**SLOW, output="whole.mkv")
        cancelled = running.add(**SLOW, output="cancelled.mkv")
        _until_half(running, paused["id"])
        running.post(f"/api/jobs/{paused['id']}/pause")
        running.wait_for(paused["id"], "paused", seconds=90)
        running.wait_for(whole["id"], "done")
        running.post(f"/api/jobs/{paused['id']}/resume")
        _until_half(running, cancelled["id"])
        running.post(f"/api/jobs/{cancelled['id']}/cancel")
        running.wait_for(cancelled["id"], "cancelled")
        running.post(f"/api/jobs/{cancelled['id']}/remove")
        assert running.wait_for(paused["id"], "done")["progress"]["frames_reused"] >= 48
    assert (tmp_path / "whole.mkv").read_bytes() == (tmp_path / "paused.mkv").read_bytes()
    left = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
    assert left == {".vsr-studio"}  # removed with its work


def _until_half(running: Studio, key: str) -> None:
    """Until a run has finished its first segment, which is 48 frames long."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        [job] = [job for job in running.jobs() if job["id"] == key]
        if job["progress"] and job["progress"].get("frames_done", 0) >= 60:
            return
        assert job["state"] in ("waiting", "running"), job
        time.sleep(0.1)
    raise AssertionError("it does not get on")
