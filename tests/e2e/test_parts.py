"""Whole runs in parts: spans, segments, fields, streams that change or are damaged, read back by plain PyAV."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outputs import check_copied, check_times, decoded_times
from plain_reader import first_frames, read_plain
from videos import X264, encode, scene

import vsr
from vsr.media.planes import fingerprint, planes_of
from vsr.media.probe import probe_media

Clips = Callable[[str], Path]
pytestmark = pytest.mark.usefixtures("no_leaks")

SPANS = [
    ("10", "20", range(10, 20)),
    ("10", None, range(10, 60)),
    (None, "7", range(7)),
    ("0.4s", "1.2s", range(10, 30)),
    ("0:00.41", "0:01.19", range(11, 30)),
    ("59", "1000", range(59, 60)),
    (5, 6, range(5, 6)),
]


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
@pytest.mark.parametrize(("start", "end", "requested"), SPANS)
def test_spans(run: Any, clips: Clips, start: Any, end: Any, requested: range, extension: str) -> None:
    output, _ = run("cfr", extension, start=start, end=end)
    source = decoded_times(clips("cfr"))
    check_times([source[n] for n in requested], output, source[requested[0]])
    _, audio = read_plain(output).streams
    given = read_plain(clips("cfr")).of("audio")[0].payloads
    assert audio.payloads, "sound of the span is copied"
    place = given.index(audio.payloads[0])
    assert given[place : place + len(audio.payloads)] == audio.payloads
    seconds = float(source[requested[-1]] - source[requested[0]]) + 0.04
    assert abs(len(audio.payloads) * 1024 / 48000 - seconds) < 0.1
    start_of_sound = place * 1024 / 48000 - 1024 / 48000  # the first packet is the encoder's priming
    assert abs((float(source[requested[0]]) + float(audio.seconds[0])) - start_of_sound) < 0.03


def test_a_span_as_images_has_the_sound_of_the_span(run: Any, clips: Clips) -> None:
    output, _ = run("cfr", "png", start="10", end="30")
    assert len(list(output.parent.glob("*.png"))) == 20
    [audio] = read_plain(output.parent / "streams.mkv").streams
    given = read_plain(clips("cfr")).of("audio")[0].payloads
    place = given.index(audio.payloads[0])
    assert audio.payloads == given[place : place + len(audio.payloads)]
    assert abs(len(audio.payloads) * 1024 / 48000 - 0.8) < 0.05
    assert 0 <= audio.seconds[0] < Fraction(1, 40)


def test_a_span_outside_the_file_is_refused(run: Any, tmp_path: Path) -> None:
    with pytest.raises(vsr.InputError, match="no frame lies between"):
        run("plain", "mp4", start="500")
    assert not list(tmp_path.iterdir())


def test_a_span_shows_the_same_images_as_the_whole(run: Any, tmp_path: Path) -> None:
    whole, _ = run("long", "mkv", codec="ffv1")
    images = [fingerprint(planes_of(frame)) for frame in first_frames(whole)]
    whole.rename(tmp_path / "whole.mkv")
    part, _ = run("long", "mkv", codec="ffv1", start="60", end="75")
    assert [fingerprint(planes_of(frame)) for frame in first_frames(part)] == images[60:75]


@pytest.mark.parametrize(
    "method",
    [{"method": "lanczos"}, {"method": "multiframe", "quality": "draft"}],
    ids=lambda method: method["method"],
)
def test_segment_length_does_not_show(run: Any, tmp_path: Path, method: dict[str, str]) -> None:
    """Images before encoding are the same however the file was cut."""
    marks, counts = [], []
    for length in (16, 240):
        output, manifest = run("long", "mkv", codec="ffv1", segment_frames=length, cut_threshold=100.0, **method)
        marks.append([fingerprint(planes_of(frame)) for frame in first_frames(output)])
        counts.append(len(manifest["segments"]))
        output.rename(tmp_path / f"{length}.mkv")
    assert counts[0] > counts[1] > 1
    assert marks[0] == marks[1]


@pytest.mark.parametrize(("mode", "factor"), [("frame", 1), ("field", 2), ("auto", 1)])
def test_deinterlacing(run: Any, clips: Clips, mode: str, factor: int) -> None:
    output, _ = run("interlaced", "mp4", deinterlace=mode)
    source = decoded_times(clips("interlaced"))
    step = source[1] - source[0]
    requested = [time + part * step / factor for time in source for part in range(factor)]
    check_times(requested, output)
    assert not probe_media(output).video.interlaced
    frames = [planes_of(frame)[0].astype(float) for frame in first_frames(output)]
    combing = np.mean([np.abs(f[1:-1] - (f[:-2] + f[2:]) / 2).mean() for f in frames])
    combed, _ = _combed(run, output)
    assert combing < 0.8 * combed
    assert len({f.tobytes() for f in frames}) == len(frames)


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_fields_stay_in_order_where_a_frame_is_missing_before_a_cut(run: Any, tmp_path: Path, extension: str) -> None:
    """The last frame of the shot lasts until the next one begins, not as long as the gap before it."""
    vf = "interlace=scan=tff:lowpass=off,select='not(eq(n,28))'"
    flags = ("-flags", "+ildct+ilme", "-x264-params", "tff=1", "-g", "1", "-bf", "0", "-fps_mode", "passthrough")
    source = encode(tmp_path / "gap.mp4", scene(120, cuts=(60,)), *X264, *flags, vf=vf, rate="50")
    output, manifest = run(source, extension, deinterlace="field", cut_threshold=2.0)
    assert [segment["start"] for segment in manifest["segments"]] == [0, 29]
    times = decoded_times(source)
    steps = [after - before for before, after in pairwise(times)]
    assert steps[27:29] == [2 * steps[0], steps[0]]
    requested = [
        time + part * step / 2 for time, step in zip(times, [*steps, steps[-1]], strict=True) for part in (0, 1)
    ]
    check_times(requested, output)


def _combed(run: Any, output: Path) -> tuple[float, Path]:
    output.rename(output.with_name("done.mp4"))
    woven, _ = run("interlaced", "mp4", deinterlace="off")
    frames = [planes_of(frame)[0].astype(float) for frame in first_frames(woven)]
    return float(np.mean([np.abs(f[1:-1] - (f[:-2] + f[2:]) / 2).mean() for f in frames])), woven


def test_a_stream_that_changes_size_becomes_one_size(run: Any) -> None:
    output, _ = run("size_change", "mp4")
    frames = first_frames(output)
    assert len(frames) == 80
    assert {(frame.width, frame.height) for frame in frames} == {(128, 96)}


def test_damage_is_concealed_counted_and_no_frame_lost(run: Any, clips: Clips) -> None:
    output, manifest = run("damaged", "mp4")
    damage = manifest["damage"]
    assert damage["decode_errors"] + damage["corrupt_frames"] > 0
    assert damage["events"]
    assert manifest["times"]["num_frames"] == len(read_plain(output).video.pts)
    check_copied(read_plain(clips("damaged")), read_plain(output), "audio")


@pytest.mark.parametrize("clip", ["damaged", "damaged_ts"])
def test_strict_stops_at_damage(run: Any, tmp_path: Path, clip: str) -> None:
    with pytest.raises(vsr.DamageError, match="first:"):
        run(clip, "mkv", strict=True, segment_frames=16)
    assert not (tmp_path / "out.mkv").exists()
    work = tmp_path / ".out.mkv.vsr-work"  # finished segments are kept: without --strict the run goes on from there
    assert {path.suffix for path in work.iterdir()} <= {".bin", ".json", ""}
    run(clip, "mkv", strict=False, segment_frames=16)
