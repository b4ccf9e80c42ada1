"""Videos through pipes: the same images as through files, while the other end is still at work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pipe_ends import BICUBIC, OneWay, as_y4m, made_by_ffmpeg, through
from plain_reader import PlainFile, first_frames, read_plain
from program import Run

import vsr
from vsr.api.piping import pipe
from vsr.errors import InputError, UsageError
from vsr.pipeline.manifest import with_current_keys
from vsr.pipeline.seal import read_sealed

Clips = Callable[[str], Path]


def samples(path: Path) -> list[str]:
    """A digest of each image's samples, by PyAV alone."""
    return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in first_frames(path)]


def head_of(path: Path) -> list[str]:
    return path.read_bytes().split(b"\n", 1)[0].decode().split(" ")


def of_file(source: Path, target: Path, **settings: Any) -> PlainFile:
    vsr.upscale(source, target, settings=BICUBIC | settings)
    return read_plain(target)


METHODS = [
    {"method": "bicubic", "scale": 2},
    pytest.param({"method": "multiframe", "scale": 2, "quality": "draft"}, marks=pytest.mark.nightly),
    pytest.param({"method": "lite", "scale": 2}, marks=pytest.mark.slow),
    {"method": "lanczos", "scale": 1.5, "deinterlace": "field"},
]


@pytest.mark.parametrize("settings", METHODS, ids=("bicubic", "multiframe", "lite", "fields"))
def test_the_images_are_those_of_a_file(clips: Clips, tmp_path: Path, settings: dict[str, Any]) -> None:
    """Across scene cuts and segments of other lengths, from a pipe and from a file, raw and encoded."""
    source = clips("cuts") if "deinterlace" not in settings else clips("interlaced")
    of_file(source, tmp_path / "file.mkv", codec="ffv1", drop_streams=True, **settings)
    expected = samples(tmp_path / "file.mkv")
    assert len(set(expected)) > 10
    nut = made_by_ffmpeg("-i", str(source), "-map", "0:v", "-c", "copy", "-f", "nut", folder=tmp_path)
    assert samples(through(nut, "y4m", tmp_path, settings=settings)[0]) == expected
    assert samples(through(nut, "nut", tmp_path, settings=settings)[0]) == expected
    assert samples(through(source, "y4m", tmp_path, settings=settings)[0]) == expected


@pytest.mark.parametrize(("codec", "container"), [("h264", "mkv"), ("hevc", "mkv"), ("av1", "mkv"), ("h264", "nut")])
def test_lossy_packets_are_those_of_a_file(clips: Clips, tmp_path: Path, codec: str, container: str) -> None:
    """To the byte and the tick, with sound and tags, though nobody knew beforehand where the video ends."""
    settings = {"codec": codec, "speed": "12" if codec == "av1" else "ultrafast" if codec == "hevc" else "medium"}
    settings |= {"segment_frames": 16, "drop_streams": True}
    file = of_file(clips("rich"), tmp_path / f"file.{container}", **settings)
    path, manifest = through(clips("rich"), container, tmp_path, settings=settings)
    piped = read_plain(path)
    begins, began = piped.video.seconds[0], file.video.seconds[0]  # NUT moves all streams so that none is negative
    assert len(manifest["segments"]) > 1
    assert [one.kind for one in piped.streams] == [one.kind for one in file.streams]
    for ours, theirs in zip(piped.streams, file.streams, strict=True):
        assert ours.payloads == theirs.payloads
        assert [time - begins for time in ours.seconds] == [time - began for time in theirs.seconds]
    assert piped.tags.get("title") == file.tags.get("title")
    assert manifest["output"]["files"] == {"-": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize(
    ("pix_fmt", "chroma"),
    [
        ("yuv420p", "C420mpeg2"),
        ("yuv411p", "C411"),
        ("yuv422p10le", "C422p10"),
        ("yuv444p12le", "C444p12"),
        ("yuv420p16le", "C420p16"),
        ("gray", "Cmono"),
        ("gray12le", "Cmono12"),
    ],
)
def test_y4m_of_every_depth(tmp_path: Path, pix_fmt: str, chroma: str) -> None:
    """What ffmpeg writes comes back as ffmpeg's own, header and samples, at any depth; rate and aspect with it."""
    given = made_by_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=50x38:r=24000/1001", "-frames:v", "12"),
        *("-vf", f"format={pix_fmt},setsar=16/15,setparams=chroma_location=left:range=tv"),
        *("-strict", "-1", "-f", "yuv4mpegpipe"),
        folder=tmp_path,
    )
    path, manifest = through(given, "y4m", tmp_path)
    fields = head_of(path)
    assert fields[:6] == ["YUV4MPEG2", "W50", "H38", "F24000:1001", "Ip", "A16:15"]
    assert chroma in fields
    assert path.read_bytes().partition(b"\n")[2] == given.partition(b"\n")[2]
    assert manifest["input"]["sha256"] == hashlib.sha256(given).hexdigest()
    assert manifest["input"]["size_bytes"] == len(given)


def test_full_range_and_other_siting_are_said(tmp_path: Path) -> None:
    given = made_by_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25", "-frames:v", "3"),
        *("-vf", "setparams=chroma_location=topleft:range=pc", "-f", "yuv4mpegpipe"),
        folder=tmp_path,
    )
    fields = head_of(through(given, "y4m", tmp_path)[0])
    assert "C420paldv" in fields
    assert "XCOLORRANGE=FULL" in fields


@pytest.mark.parametrize(
    ("settings", "mark"),
    [
        ({"deinterlace": "off"}, "It"),
        ({"deinterlace": "off", "scale": 2}, "I?"),  # lines of the fields are no lines of the output
        ({}, "Ip"),
        ({"deinterlace": "field"}, "Ip"),
    ],
)
def test_scanning_is_said(clips: Clips, tmp_path: Path, settings: dict[str, Any], mark: str) -> None:
    path, manifest = through(clips("interlaced"), "y4m", tmp_path, settings=settings)
    assert mark in head_of(path)
    if mark == "It":  # and is read back
        assert first_frames(path, 1)[0].interlaced_frame
        again = through(path.read_bytes(), "y4m", tmp_path, settings=settings)[0]
        assert mark in head_of(again)
    if settings.get("deinterlace") == "field":
        assert manifest["times"]["num_frames"] == 2 * len(first_frames(clips("interlaced")))


@pytest.mark.parametrize("extension", ["y4m", "nut"])
def test_raw_files_out_and_in(clips: Clips, tmp_path: Path, extension: str, call: Callable[..., Run]) -> None:
    first, second = tmp_path / f"a.{extension}", tmp_path / "b.mkv"
    of_file(clips("ten_bit"), first, drop_streams=True)
    of_file(first, second, codec="ffv1")
    assert samples(first) == samples(second) == samples(clips("ten_bit"))
    assert call("verify", first).code == 0


def test_rates_that_vary_are_counted(clips: Clips, tmp_path: Path) -> None:
    """YUV4MPEG2 holds one rate: what is lost by that is said beforehand, and counted."""
    path, manifest = through(clips("vfr"), "y4m", tmp_path)
    times = read_plain(clips("vfr")).video.seconds
    rate = Fraction(*map(int, head_of(path)[3][1:].split(":")))
    off = sum(abs(time - times[0] - number / rate) > 1 / rate / 2 for number, time in enumerate(times))
    assert manifest["times"]["off_rate"] == off > 0
    assert not manifest["times"]["exact"]
    assert any("one constant rate" in text for text in manifest["output"]["dropped"])
    nut = through(clips("vfr"), "nut", tmp_path)[0]
    found = read_plain(nut).video.seconds
    assert [time - found[0] for time in found] == [time - times[0] for time in times]


def test_from_a_pipe_into_a_file(clips: Clips, tmp_path: Path, call: Callable[..., Run]) -> None:
    """All that a file gets: exact times, checks, a record; the same images as from the file itself."""
    clip = clips("cuts")
    pipe("-", tmp_path / "a.mp4", stdin=OneWay(clip_as_ts(clip, tmp_path)), settings=BICUBIC | {"speed": "ultrafast"})
    of_file(clip, tmp_path / "b.mp4", speed="ultrafast")
    ours, theirs = read_plain(tmp_path / "a.mp4").video, read_plain(tmp_path / "b.mp4").video
    assert ours.payloads == theirs.payloads
    done = call("verify", tmp_path / "a.mp4")
    assert done.code == 0
    assert "- is not here" in done.out


def test_evidence_from_a_pipe_into_a_file(clips: Clips, tmp_path: Path, call: Callable[..., Run]) -> None:
    """As from a file: checksums of all decoded frames, of both sides, and the checked output."""
    data, target = clip_as_ts(clips("cfr"), tmp_path), tmp_path / "a.mkv"
    settings = {"method": "lanczos", "scale": 1, "codec": "ffv1", "evidence": True}
    pipe("-", target, stdin=OneWay(data), settings=settings)
    for name, made in (("a.mkv.framemd5", target), ("a.mkv.input.framemd5", clips("cfr"))):
        rows = [row for row in (tmp_path / name).read_text().splitlines() if not row.startswith("#")]
        ours = [row.rpartition(",")[2].strip() for row in rows]
        assert ours == [hashlib.md5(frame.to_ndarray().tobytes()).hexdigest() for frame in first_frames(made)]
    assert call("verify", target).code == 0


def clip_as_ts(clip: Path, folder: Path) -> bytes:
    return made_by_ffmpeg("-i", str(clip), "-map", "0:v", "-c", "copy", "-f", "mpegts", folder=folder)


@pytest.mark.parametrize(
    "method",
    [
        {"method": "bicubic", "scale": 1},
        pytest.param({"method": "lite", "scale": 2}, marks=pytest.mark.slow),
        pytest.param({"method": "multiframe", "scale": 2, "quality": "draft"}, marks=pytest.mark.nightly),
    ],
    ids=("bicubic", "lite", "multiframe"),
)
def test_a_stopped_run_into_a_file_goes_on(clips: Clips, tmp_path: Path, method: dict[str, Any]) -> None:
    """Segments are known by their frames, wherever these come from; a shot's first frames are there for later ones."""
    data = as_y4m(clips("long"), tmp_path, "-frames:v", "62", "-vf", "crop=48:32")  # one shot, longer than a chain
    settings = method | {"segment_frames": 16, "speed": "ultrafast"}

    class Stop(Exception):
        pass

    def stop(progress: vsr.Progress) -> None:
        if progress.frames_done > 50:
            raise Stop

    with pytest.raises(Stop):
        pipe("-", tmp_path / "a.mp4", stdin=OneWay(data), settings=settings, on_progress=stop)
    outcome = pipe("-", tmp_path / "a.mp4", stdin=OneWay(data), settings=settings)
    assert outcome.manifest is not None
    assert any(one["reused"] for one in outcome.manifest["segments"])
    (tmp_path / "in.y4m").write_bytes(data)
    vsr.upscale(tmp_path / "in.y4m", tmp_path / "b.mp4", settings=settings)
    assert samples(tmp_path / "a.mp4") == samples(tmp_path / "b.mp4")


def test_the_record_goes_elsewhere(clips: Clips, tmp_path: Path) -> None:
    place = tmp_path / "record.json"
    path, manifest = through(as_y4m(clips("cfr"), tmp_path), "y4m", tmp_path, manifest=place)
    record, problem = read_sealed(place)
    assert with_current_keys(record, place) == record
    assert not problem
    assert record == json.loads(json.dumps(manifest))
    assert record["output"]["path"] == record["input"]["path"] == "-"
    assert record["output"]["size_bytes"] == path.stat().st_size
    with pytest.raises(UsageError, match="exists; give --overwrite"):
        through(clips("cfr"), "y4m", tmp_path, manifest=place)


def test_end_and_start(clips: Clips, tmp_path: Path) -> None:
    data = as_y4m(clips("cfr"), tmp_path)
    whole = samples(through(data, "y4m", tmp_path)[0])
    assert samples(through(data, "y4m", tmp_path, end="10")[0]) == whole[:10]
    assert samples(through(clips("cfr"), "y4m", tmp_path, start="5", end="10")[0]) == whole[5:10]
    with pytest.raises(UsageError, match="--start: a pipe is read from where it begins"):
        through(data, "y4m", tmp_path, start="5")


def test_a_part_goes_without_sound_and_says_so(clips: Clips, tmp_path: Path) -> None:
    path, manifest = through(clips("rich"), "mkv", tmp_path, end="10", settings={"drop_streams": True})
    assert [one.kind for one in read_plain(path).streams] == ["video"]
    assert any("audio stream" in text and "goes to a pipe without it" in text for text in manifest["output"]["dropped"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "standard input: is empty"),
        (b"#EXTM3U\nother.ts\n", "standard input: is an HLS playlist"),
        (b"nothing of the kind\n" * 9, "standard input: is not a video file"),
        (b"YUV4MPEG2 W64 H48 F25:1\n", "standard input:"),
    ],
)
def test_what_is_no_video(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        through(data, "y4m", tmp_path)
    assert str(refused.value).startswith(words)
    assert "vsr-head" not in str(refused.value)


def test_an_index_at_the_end(clips: Clips, tmp_path: Path) -> None:
    """MP4 as encoders leave it cannot be read in one go; with its index first, or in fragments, it can."""
    late = made_by_ffmpeg("-i", str(clips("cfr")), "-c", "copy", "-f", "mp4", folder=tmp_path)
    with pytest.raises(InputError, match="index comes after its frames"):
        through(late, "y4m", tmp_path)
    expected = samples(clips("cfr"))
    for flags in ("+faststart", "+frag_keyframe+empty_moov"):
        early = made_by_ffmpeg("-i", str(clips("cfr")), "-c", "copy", "-movflags", flags, "-f", "mp4", folder=tmp_path)
        assert samples(through(early, "y4m", tmp_path)[0]) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "-"], "-o - needs --container y4m, mkv, nut; none is given"),
        (["-o", "-", "--container", "mp4"], "'mp4' cannot be written to a pipe"),
        (["-o", "x.mp4", "--container", "mkv"], "--container mkv is for -o -; of x.mp4 its extension says"),
        (["-o", "x.mp4", "--manifest", "m.json"], "--manifest is for -o -"),
        (["-o", "-", "--container", "y4m", "--evidence"], "--evidence decodes the finished output again"),
        (["-o", "-", "--container", "y4m", "--workers", "2"], "--workers does not go with a pipe"),
        (["-o", "-", "--container", "y4m", "--report"], "--report does not go with a pipe"),
        (["-o", "-", "--container", "y4m", "--preview"], "--preview beside a pipe has no place"),
        (["-o", "-", "--container", "y4m", "--codec", "png"], "cannot hold png"),
        (["second.mp4", "-o", "-", "--container", "y4m"], "a pipe carries one video; 2 inputs are named"),
    ],
)
def test_what_a_pipe_cannot_give(clips: Clips, call: Callable[..., Run], arguments: Sequence[str], words: str) -> None:
    refused = call("upscale", clips("plain"), *arguments)
    assert refused.code == 2
    assert words in refused.one_line()
    assert not refused.out


def test_standard_output_holds_the_video_alone(clips: Clips, call: Callable[..., Run]) -> None:
    """Progress, results and JSON go to standard error."""
    for more in ([], ["--json-lines"]):
        done = call(
            "upscale", clips("gray"), "-o", "-", "--container", "y4m", "--method", "bicubic", "--scale", "1", *more
        )
        assert done.code == 0, done.err
        assert done.out.startswith("YUV4MPEG2 ")
        assert "frames in" not in done.out
        assert '"event"' not in done.out
        assert ("frames in" in done.err) or ('"event": "done"' in done.err)
        assert "a stopped run starts over" in done.err
