"""Streams without times: the codec's own rate, or one given or assumed; each is said and recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from plain_reader import read_plain
from program import Run
from videos import X264, encode, scene

import vsr

Call = Callable[..., Run]
SETTINGS: dict[str, Any] = {"method": "lanczos", "scale": 1.0, "speed": "ultrafast", "encoder_threads": 2}
CODECS = {
    "h264": (*X264, "-bf", "2"),
    "hevc": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"),
    "m2v": ("-c:v", "mpeg2video", "-bf", "2"),
    "m4v": ("-c:v", "mpeg4", "-bf", "2", "-f", "m4v"),
    "mjpeg": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "obu": ("-c:v", "libsvtav1", "-preset", "13", "-svtav1-params", "lp=1", "-f", "obu"),
}
TELL_NO_RATE = ("mjpeg", "obu")
pytestmark = pytest.mark.usefixtures("no_leaks")


def _raw(path: Path, rate: str, count: int = 8) -> Path:
    return encode(path, scene(count, 64, 64), *CODECS[path.suffix[1:]], rate=rate)


def _check_rate(output: Path, rate: Fraction, count: int = 8) -> None:
    """Frames lie at multiples of the rate, within one tick of the output's clock."""
    video = read_plain(output).video
    requested = [n / rate for n in range(count)]
    assert len(video.seconds) == count
    assert all(abs(time - want) <= video.time_base for time, want in zip(video.seconds, requested, strict=True))


@pytest.mark.parametrize("rate", ["12", "30", "60000/1001"])
@pytest.mark.parametrize("suffix", [name for name in CODECS if name not in TELL_NO_RATE])
def test_the_codecs_own_rate(suffix: str, rate: str, tmp_path: Path) -> None:
    if suffix == "m2v" and rate == "12":
        rate = "24000/1001"  # MPEG-2 knows few rates
    source = _raw(tmp_path / f"in.{suffix}", rate)
    [outcome] = vsr.upscale(source, tmp_path / "out.mp4", settings=SETTINGS | {"strict": True})
    _check_rate(tmp_path / "out.mp4", Fraction(rate))
    assert outcome.manifest is not None
    [words] = [text for text in outcome.manifest["assumptions"] if "frames a second" in text]
    assert words.startswith(f"{Fraction(rate)} frames a second, as the ")
    assert outcome.manifest["damage"]["repaired_times"] == 0


@pytest.mark.parametrize("suffix", TELL_NO_RATE)
def test_an_assumed_rate_is_said_and_recorded(suffix: str, tmp_path: Path, call: Call) -> None:
    source = _raw(tmp_path / f"in.{suffix}", "30")
    words = "25 frames a second: the file has no times"
    assert words in call("probe", source).out
    assert words in call("upscale", source, "-o", tmp_path / "dry.mp4", "--dry-run", "-q").out
    done = call("upscale", source, "-o", tmp_path / "out.mp4", "--scale", 1, "--method", "lanczos")
    assert words in done.out
    _check_rate(tmp_path / "out.mp4", Fraction(25))
    manifest = json.loads((tmp_path / "out.mp4.vsr.json").read_text())
    assert any(words in text for text in manifest["assumptions"])


@pytest.mark.parametrize("suffix", ["h264", "mjpeg", "obu"])
def test_a_given_rate_goes_first(suffix: str, tmp_path: Path, call: Call) -> None:
    source = _raw(tmp_path / f"in.{suffix}", "30")
    arguments = ("-o", tmp_path / "out.mkv", "--scale", 1, "--method", "lanczos", "--fps", "24000/1001")
    done = call("upscale", source, *arguments)
    assert done.code == 0, done.err
    _check_rate(tmp_path / "out.mkv", Fraction(24000, 1001))
    assert "as given" in done.out
    if suffix == "h264":
        assert "itself says 30" in done.out
    checks = call("verify", tmp_path / "out.mkv")
    assert checks.code == 0, checks.out


def test_a_part_by_time_and_single_frames(tmp_path: Path) -> None:
    """Everything that counts in seconds counts at the stream's rate."""
    source = _raw(tmp_path / "in.h264", "10", 20)
    vsr.upscale(source, tmp_path / "out.mp4", start=Fraction(1), end=Fraction(3, 2), settings=SETTINGS)
    _check_rate(tmp_path / "out.mp4", Fraction(10), 5)
    exported = vsr.export_frames(source, tmp_path / "f" / "%03d.png", start=Fraction(1), end=Fraction(3, 2))
    assert [frame["ordinal"] for frame in exported.manifest["frames"]] == [10, 11, 12, 13, 14]


def test_a_stream_with_times_keeps_them(tmp_path: Path, call: Call) -> None:
    source = encode(tmp_path / "in.mp4", scene(8, 64, 64), *X264)
    done = call("upscale", source, "-o", tmp_path / "out.mp4", "--fps", "30")
    assert (done.code, "keep their own times" in done.one_line()) == (2, True)


def test_a_rate_finer_than_the_clock_is_refused(tmp_path: Path, call: Call) -> None:
    source = _raw(tmp_path / "in.mjpeg", "30")
    done = call("upscale", source, "-o", tmp_path / "out.mp4", "--fps", "90000000")
    assert (done.code, "too high" in done.one_line()) == (2, True)


def test_fields_that_repeat_count(tmp_path: Path) -> None:
    """Film in 29.97 fields (soft telecine, MPEG-2): each frame lasts two or three fields."""
    source = _raw(tmp_path / "in.m2v", "30000/1001", 9)
    data = bytearray(source.read_bytes())
    place, number = 0, 0
    while (place := data.find(b"\x00\x00\x01\xb5", place)) >= 0:
        if data[place + 4] >> 4 == 1:  # sequence extension
            data[place + 5] &= ~0x08  # not progressive as a whole: repeating means fields
        if data[place + 4] >> 4 == 8:  # picture coding extension
            if number % 2 == 0:
                data[place + 7] |= 0x02  # repeat_first_field
            data[place + 8] |= 0x80  # progressive_frame, which it needs
            number += 1
        place += 4
    assert number == 9
    source.write_bytes(data)
    vsr.upscale(source, tmp_path / "out.mp4", settings=SETTINGS | {"deinterlace": "off"})
    times = read_plain(tmp_path / "out.mp4").video.seconds
    steps = {(after - before) * Fraction(30000, 1001) for before, after in pairwise(times)}
    assert {round(step * 100) for step in steps} == {100, 150}
