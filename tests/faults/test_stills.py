"""Stills and exported frames stopped, killed and starved: no name holds half of anything, and one line says why."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_reader import is_working_name
from program import caller
from videos import encode, scene

import vsr

Clips = Callable[[str], Path]
_STILL = ("--at", "4", "--roi", "8,8,40,32", "--scale", "2", "--psf", "0.45", "--regularization", "1")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """``call("still", …)`` runs the program in this process."""
    return caller(monkeypatch, capfd)


def _start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vsr", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if not is_working_name(entry.name)}


def _whole_still(output: Path) -> set[str]:
    stem = output.stem
    return {output.name, f"{stem}.support.png", f"{stem}.confidence.png", f"{output.name}.vsr.json"}


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_still_leaves_nothing_or_all(clips: Clips, tmp_path: Path, stop: signal.Signals) -> None:
    """The program says on standard error when it reads frames only at a terminal: the time is found by its threads."""
    for seconds in (0.3, 1.2):
        process = _start("still", clips("long"), "-o", tmp_path / "out.png", *_STILL)
        _wait_for_work(process)
        time.sleep(seconds)
        process.send_signal(stop)
        _, err = process.communicate(timeout=60)
        if process.returncode == 0 or _names(tmp_path):  # it was faster, or stopped while it reported what it had made
            assert _names(tmp_path) == _whole_still(tmp_path / "out.png")
            for file in tmp_path.iterdir():
                file.unlink()
        if process.returncode == 0:
            continue
        if stop != signal.SIGKILL:
            assert not list(tmp_path.iterdir())
            assert process.returncode == 6, err
            assert len(err.strip().splitlines()) == 1


def _wait_for_work(process: subprocess.Popen[str]) -> None:
    """Until the program has loaded torch, which is when its work begins."""
    maps, deadline = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if "libtorch_cpu" in maps.read_text(errors="replace"):
            return
        time.sleep(0.02)


@pytest.mark.slow
def test_killed_exports_leave_no_folder(clips: Clips, tmp_path: Path) -> None:
    output = tmp_path / "frames" / "%06d.png"
    for seconds in (0.2, 0.8, 1.6):
        process = _start("frames", clips("long"), "-o", output)
        _wait_for_work(process)
        time.sleep(seconds)
        process.kill()
        process.communicate(timeout=60)
        assert _names(tmp_path) in (set(), {"frames", "frames.input.framemd5", "frames.framemd5", "frames.vsr.json"})
    made = vsr.export_frames(clips("long"), output, end=5, overwrite=True)
    assert len(made.manifest["frames"]) == 5
    assert all(check.passed for check in vsr.verify(output))
    assert len(list(output.parent.glob("*.png"))) == 5


def test_no_room_for_a_still(clips: Clips, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    process = _start("still", clips("plain"), "-o", tmp_path / "out.png", *_STILL, preexec_fn=limit)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 5, err
    assert "cannot write" in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out.png", "out.support.png", "out.png.vsr.json"])
def test_what_comes_while_a_still_is_made_stays(tmp_path: Path, name: str) -> None:
    path, output = encode(tmp_path / "one.mkv", scene(1, 64, 48), "-c:v", "ffv1"), tmp_path / "out.png"

    def make(*, overwrite: bool) -> None:
        def put(what: str, share: float | None) -> None:
            (tmp_path / name).write_text("somebody's")

        vsr.still(path, output, at=0, scale=2, psf_sigma_px=0.45, regularization=1, overwrite=overwrite, on_step=put)

    with pytest.raises(vsr.UsageError, match=f"{name} has come to be while the still was made"):
        make(overwrite=False)
    assert (tmp_path / name).read_text() == "somebody's"
    assert {entry.name for entry in tmp_path.iterdir()} == {"one.mkv", name}
    make(overwrite=True)
    assert all(check.passed for check in vsr.verify(output))


def test_one_frame_is_sharpened_and_said_to_be_one(call: Any, tmp_path: Path) -> None:
    path = encode(tmp_path / "one.mkv", scene(1, 64, 48), "-c:v", "ffv1")
    done = call("still", path, "-o", tmp_path / "out.png", "--at", "0", "--scale", "2")
    assert done.code == 0, done.err
    assert "no other frame could be used: this is one frame, sharpened" in done.out
    assert "1 used" in done.out
    assert call("verify", tmp_path / "out.png", "--recompute").code == 0


def test_a_plain_wall_is_no_reason_to_fail(call: Any, tmp_path: Path) -> None:
    path = encode(tmp_path / "gray.mkv", np.full((6, 48, 64, 3), 120, np.uint8), "-c:v", "ffv1")
    done = call("still", path, "-o", tmp_path / "out.png", "--at", "3", "--scale", "2")
    assert done.code == 0, done.err
    assert "note" in done.out


def test_frames_are_refused_in_one_line(call: Any, clips: Clips, tmp_path: Path) -> None:
    clip, output = clips("plain"), tmp_path / "frames" / "%06d.png"
    cases = [
        ((clip, "-o", tmp_path / "out.mp4"), "written as images", 2),
        ((clip, "-o", output, "--start", "900"), "no frame lies between", 3),
        ((clip, "-o", output, "--start", "5", "--end", "3"), "is not after", 2),
        ((clip, "-o", tmp_path / "no" / "such" / "%06d.png"), "does not exist", 5),
        ((tmp_path / "none.mp4", "-o", output), "no such file", 3),
    ]
    for arguments, words, code in cases:
        done = call("frames", *arguments)
        assert words in done.one_line(), arguments
        assert done.code == code
    assert not list(tmp_path.iterdir())
    assert call("frames", clip, "-o", output, "--end", "2").code == 0
    before = sorted(path.name for path in output.parent.iterdir())
    again = call("frames", clip, "-o", output, "--end", "3")
    assert again.code == 2
    assert "--overwrite" in again.one_line()
    assert sorted(path.name for path in output.parent.iterdir()) == before


def test_verify_refuses_in_one_line(call: Any, clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "plain.png").write_bytes(clips("plain").read_bytes())
    done = call("verify", tmp_path / "plain.png")
    assert (done.code, "has no manifest" in done.one_line()) == (5, True)
    done = call("verify", tmp_path / "none.png.vsr.json")
    assert done.code == 5
    assert "no such" in done.one_line()
    done = call("verify", tmp_path / "plain.png", "--input", tmp_path / "gone.mp4")
    assert (done.code, "no such file" in done.one_line()) == (3, True)
