"""The program as a person or a script uses it: output, one-line errors, exit codes."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from plain_reader import with_records
from program import Run
from videos import X264, encode, scene

import vsr

QUICK = ["--method", "lanczos", "--speed", "ultrafast"]
PROGRAM = [sys.executable, "-c", "from vsr.cli import main; main()"]


def files(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_upscale_then_verify(call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    done = call("upscale", clips("plain"), "-o", output, *QUICK)
    assert done.code == 0, done.err
    assert "frames in" in done.out
    assert files(tmp_path) == with_records("out.mp4")
    assert call("verify", output).code == 0
    data = bytearray(output.read_bytes())
    data[len(data) // 2] ^= 1
    output.write_bytes(data)
    broken = call("verify", output)
    assert broken.code == 5
    assert "FAIL  output bytes" in broken.out


def test_json_lines(call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path) -> None:
    done = call("upscale", clips("plain"), "-o", tmp_path / "out.mkv", "--json-lines", *QUICK)
    events = [json.loads(line) for line in done.out.splitlines()]
    assert {event["event"] for event in events} == {"progress", "done"}
    assert [event["stage"] for event in events if event["event"] == "progress"][-1] == "done"
    assert events[-1]["num_frames"] == events[-2]["frames_done"] == events[-2]["frames_total"]


def test_quiet_says_nothing(call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path) -> None:
    done = call("upscale", clips("plain"), "-o", tmp_path / "out.mkv", "-q", *QUICK)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_dry_run_writes_nothing(call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path) -> None:
    done = call("upscale", clips("rich"), "-o", tmp_path / "out.mkv", "--dry-run", "--scale", "3")
    assert done.code == 0, done.err
    assert "method" in done.out
    assert "copied" in done.out
    assert re.search(r"^estimate +about \d+ s and 1 MB: [0-9.]+ s a frame with 1 worker", done.out, re.MULTILINE)
    assert files(tmp_path) == set()


def test_dry_run_of_what_cannot_be_estimated(
    call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path
) -> None:
    words = ["upscale", clips("plain"), "-o", tmp_path / "out.mkv", "--dry-run", *QUICK]
    done = call(*words, "--start", "1000")
    assert done.code == 0, done.err
    assert "estimate   " in done.out
    assert "estimate" not in call(*words, "-q").out
    several = call("upscale", clips("plain"), clips("cfr"), "-o", f"{tmp_path}/", "--dry-run", *QUICK)
    assert several.code == 0, several.err
    assert "estimate" not in several.out


def test_folder_with_one_bad_file(call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.mp4").write_bytes(clips("plain").read_bytes())
    (source / "b.mp4").write_bytes(b"not a video")
    done = call("upscale", source, "-o", f"{target}/", *QUICK)
    assert done.code == 3
    assert "b.mp4" in done.err
    assert "1 of 2 inputs failed" in done.err
    assert "a.mp4" in files(target)
    assert "b.mp4" not in files(target)


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        "it's.mp4",
        'a "quote".mp4',
        "ünïcödé 日本.mp4",
        "T12:30.mp4",
        "100%d.mp4",
        "-dash.mp4",
        "#?&.mp4",
    ],
)
def test_awkward_names(
    call: Callable[..., Run],
    clips: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(clips("plain").read_bytes())
    done = call("upscale", *QUICK, "-q", "-o", f"./out {name}", "--", name)
    assert done.code == 0, done.err
    assert files(tmp_path) == {name} | with_records(f"out {name}")
    assert call("verify", f"./out {name}").code == 0


BAD_CALLS: list[tuple[list[str], int, str]] = [
    (["--codec", "h265x"], 2, "unknown codec"),
    (["--method", "lanczo"], 2, "did you mean 'lanczos'"),
    (["--set", "crff=3"], 2, "did you mean 'crf'"),
    (["--method", "multiframe", "--set", "radius_frames=-3"], 2, "radius_frames"),
    (["--set", "nonsense"], 2, "KEY=VALUE"),
    (["--preset", "flim"], 2, "did you mean 'film'"),
    (["--preset", "missing.yaml"], 2, "missing.yaml"),
    (["--scale", "0"], 2, "scale"),
    (["--scale", "-2"], 2, "scale"),
    (["--scale", "nan"], 2, "scale"),
    (["--scale", "inf"], 2, "scale"),
    (["--scale", "two"], 2, "not a number"),
    (["--size", "640"], 2, "size"),
    (["--size", "0x0"], 2, "size"),
    (["--size", "640x480", "--scale", "2"], 2, "only one of"),
    (["--height", "-5"], 2, "height"),
    (["--height", "tall"], 2, "like 1080 or 1080p"),
    (["--to", "9k"], 2, "is no screen; known: 720p"),
    (["--to", "4k", "--scale", "2"], 2, "give only one of scale, to"),
    (["--crf", "99"], 2, "0…51"),
    (["--speed", "warp"], 2, "speed"),
    (["--pix-fmt", "yuv420p99"], 2, "pixel format"),
    (["--codec", "av1", "--pix-fmt", "yuv444p"], 2, "does not hold"),
    (["--deinterlace", "maybe"], 2, "deinterlace"),
    (["--device", "tpu"], 2, "device"),
    (["--device", "cuda:97"], 2, "is not here"),
    (["--start", "5", "--end", "3"], 2, "--end"),
    (["--start", "yesterday"], 2, "not a position"),
    (["--start", "100000"], 3, "no frame"),
    (["--bogus"], 2, "--bogus"),
]


@pytest.mark.parametrize(
    ("extra", "code", "words"), BAD_CALLS, ids=lambda v: " ".join(v) if isinstance(v, list) else None
)
def test_bad_calls(
    call: Callable[..., Run],
    clips: Callable[[str], Path],
    tmp_path: Path,
    extra: list[str],
    code: int,
    words: str,
) -> None:
    method = [] if "--method" in extra else ["--method", "lanczos"]
    done = call("upscale", clips("plain"), "-o", tmp_path / "out.mp4", *method, *extra)
    assert words in done.one_line()
    assert done.code == code
    assert files(tmp_path) == set()


def test_bad_outputs(call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path) -> None:
    source = clips("plain")
    taken = tmp_path / "taken.mp4"
    taken.write_bytes(b"precious")
    for output, code, words in (
        (tmp_path / "no" / "out.mp4", 5, "does not exist"),
        (tmp_path / "out.xyz", 2, "unknown container"),
        (tmp_path / "out.png", 2, "name the frame (--at 12.5s), or give all of them numbers"),
        (taken, 2, "--overwrite"),
    ):
        done = call("upscale", source, "-o", output, "--method", "lanczos")
        assert words in done.one_line()
        assert done.code == code
    assert taken.read_bytes() == b"precious"
    assert files(tmp_path) == {"taken.mp4"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fps", "60"], "fps 60 is for images"),
        (["--scale", "2", "--set", "scale=3"], "--scale and --set scale=3 contradict each other"),
        (["--drop-streams", "--set", "drop_streams=false"], "--drop-streams and --set drop_streams=False contradict"),
    ],
)
def test_options_that_would_be_ignored_are_refused(
    call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path, words: list[str], said: str
) -> None:
    for more in ([], ["--dry-run"]):
        done = call("upscale", clips("plain"), "-o", tmp_path / "out.mp4", *QUICK, *words, *more)
        assert (done.code, said in done.one_line()) == (2, True)
    same = call("upscale", clips("plain"), "-o", tmp_path / "out.mp4", "--scale", "2x", "--set", "scale=2", "--dry-run")
    assert same.code == 0, same.err


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "ffv1"])
@pytest.mark.parametrize(
    ("size", "pix_fmt", "sides"),
    [
        ("129x96", "yuv420p", "width and height"),
        ("128x97", "yuv420p", "width and height"),
        ("129x97", "yuv422p", "width"),
        ("128x97", "yuv422p", None),
        ("129x97", "yuv444p", None),
    ],
)
def test_odd_sizes_are_refused_where_the_encoder_would(
    clips: Callable[[str], Path], tmp_path: Path, codec: str, size: str, pix_fmt: str, sides: str | None
) -> None:
    """What is refused here was tried with each encoder; what is not was written by it and read back."""
    if codec == "av1" and pix_fmt != "yuv420p":
        pytest.skip("AV1 is 4:2:0 here")
    settings = {"method": "lanczos", "size": size, "pix_fmt": pix_fmt, "codec": codec}
    if sides is not None and codec in ("h264", "hevc"):
        with pytest.raises(vsr.UsageError, match=f"wants an even {sides}; name another size"):
            vsr.plan(clips("plain"), tmp_path / "out.mkv", settings=settings)
    else:
        [outcome] = vsr.upscale(clips("plain"), tmp_path / "out.mkv", end=2, settings=settings)
        video = vsr.probe(outcome.output).video
        assert f"{video.width}x{video.height}" == size


def test_quality_beside_lossless_is_named(
    call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path
) -> None:
    words = ["upscale", clips("plain"), "-o", tmp_path / "out.mp4", "--lossless", *QUICK, "--dry-run"]
    sentence = "crf 30 means nothing to lossless h264"
    assert [sentence in call(*words, *more).out for more in ([], ["--crf", "30"])] == [False, True]


def test_output_must_not_be_the_input(call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(clips("plain").read_bytes())
    link = tmp_path / "b.mp4"
    link.symlink_to(source)
    for output in (source, link):
        done = call("upscale", source, "-o", output, "--overwrite", *QUICK)
        assert "is the input" in done.one_line()
        assert done.code == 2
    assert source.read_bytes() == clips("plain").read_bytes()


def test_probe_text_and_json(call: Callable[..., Run], clips: Callable[[str], Path]) -> None:
    text = call("probe", clips("rich"))
    assert text.code == 0, text.err
    assert "vsr upscale would" in text.out
    report = json.loads(call("probe", clips("vfr"), "--json", "--deep").out)
    assert report["index"]["is_vfr"] is True
    assert report["num_frames_from_content"] == report["index"]["num_packets"]
    assert report["upscale"]["container"] in ("mp4", "mov")
    assert json.loads(call("probe", clips("plain"), "--json").out)["index"]["is_vfr"] is False


def test_probe_tells_how_compressed_a_video_looks(call: Callable[..., Run], tmp_path: Path) -> None:
    sources = {}
    for crf in (10, 40):
        encode(tmp_path / f"{crf}.mp4", scene(12, 160, 120), *X264, "-crf", str(crf))
        sources[crf] = json.loads(call("probe", tmp_path / f"{crf}.mp4", "--json").out)["source"]
        assert set(sources[crf]) == {"blur_px", "noise_codes", "compression_codes"}
    assert sources[40]["compression_codes"] > sources[10]["compression_codes"] + 1
    words = f"compression changed it by about {sources[40]['compression_codes']:.1f} of 255"
    assert words in " ".join(call("probe", tmp_path / "40.mp4").out.split())
    encode(tmp_path / "tiny.mp4", scene(3, 16, 16), *X264)
    assert json.loads(call("probe", tmp_path / "tiny.mp4", "--json").out)["source"] is None


def test_probe_says_why_upscale_would_refuse(call: Callable[..., Run], tmp_path: Path) -> None:
    done = call("probe", tmp_path / "missing.mp4")
    assert "no such file" in done.one_line()
    assert done.code == 3


def test_a_folder_that_may_not_be_read(
    call: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights do not bind who runs tests as root, so the refusal is put in."""

    def refuse(path: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    done = call("probe", tmp_path)
    assert done.code == 5
    assert done.one_line().startswith(f"vsr: {tmp_path}: cannot be reached (Permission denied)")


def test_presets_and_doctor(call: Callable[..., Run]) -> None:
    listed = call("presets")
    assert listed.code == 0
    for word in ("film", "surveillance", "multiframe", "prores"):
        assert word in listed.out
    assert "psf_sigma_px" in call("presets", "--keys").out
    report = json.loads(call("doctor", "--json").out)
    assert report["problems"] == []
    assert all(report["codecs"].values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_parser_is_built(number: signal.Signals) -> None:
    program = (
        "import os, typer.main; from vsr.cli import main; "
        f"typer.main.get_command = lambda app: os.kill(os.getpid(), {int(number)}); main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == vsr.Interrupted.exit_code
    assert done.stderr.startswith("vsr: stopped; ")
    assert len(done.stderr.splitlines()) == 1


def test_no_command_shows_help(call: Callable[..., Run]) -> None:
    help_ = call()
    assert (help_.code, help_.out, help_.err) == (0, call("--help").out, "")
    assert "upscale" in help_.out
    assert call("--version").out.startswith("vsr 0.")
    wrong = call("upscal")
    assert wrong.code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)])
def test_interrupt_keeps_finished_segments_and_the_next_run_goes_on(
    clips: Callable[[str], Path], tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out.mp4"
    command = [*PROGRAM, "upscale", str(clips("long")), "-o", str(output), "--json-lines", *QUICK]
    command += ["--scale", "8", "--set", "segment_frames=16"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    work = tmp_path / ".out.mp4.vsr-work"
    deadline = time.monotonic() + 60
    while not list(work.glob("segment-*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the machine finished before the signal arrived")
    assert process.returncode == 6, err
    assert err.splitlines()[-1].startswith("vsr: stopped")
    assert ("finishing the segment" in err) == (number == signal.SIGINT), err
    assert not output.exists()
    kept = list(work.glob("segment-*.json"))
    assert kept
    assert not list(work.glob("*.tmp"))
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout.splitlines()[-1])["event"] == "done"
    manifest = json.loads(Path(f"{output}.vsr.json").read_text())
    assert sum(segment["reused"] for segment in manifest["segments"]) >= len(kept)
    assert files(tmp_path) == with_records("out.mp4")


def test_closed_pipe_is_no_error(clips: Callable[[str], Path]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*PROGRAM, "presets", "--keys"], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [["presets", "--keys"], ["--version"]])
def test_full_output_is_reported_in_one_line(arguments: list[str]) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with full.open("w") as output:
        done = subprocess.run([*PROGRAM, *arguments], stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr == "vsr: no more can be written: No space left on device\n"


def test_json_lines_tell_of_a_failure_too(call: Callable[..., Run], tmp_path: Path) -> None:
    done = call("upscale", tmp_path / "missing.mp4", "-o", tmp_path / "out.mp4", "--json-lines")
    assert done.code == 3
    event = json.loads(done.out)
    assert (event["event"], event["exit_code"]) == ("error", 3)
    assert "no such file" in event["message"]
