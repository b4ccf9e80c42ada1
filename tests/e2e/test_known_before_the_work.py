"""What a container refuses is known before any image is restored, and what FFmpeg meets late comes out right."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.stream
import numpy as np
import pytest
from plain_reader import read_plain
from videos import X264, encode, ffmpeg, late_sound, scene, tone

import vsr
from vsr.pipeline.worker import SegmentWorker

QUICK: dict[str, Any] = {"method": "bicubic", "scale": 1, "speed": "ultrafast"}
_DATA_OF_COVER = 3  # bytes that stay of a cover whose parameters are to be lost


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to restore an image fails the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("a segment was begun")

    monkeypatch.setattr(SegmentWorker, "encode", refuse)


def _restore(source: Path, target: Path, **settings: Any) -> dict[str, Any]:
    [outcome] = vsr.upscale(source, target, workers=1, settings=QUICK | settings)
    assert outcome.manifest is not None
    return dict(outcome.manifest)


@pytest.fixture
def cover(tmp_path: Path) -> Path:
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "1", str(tmp_path / "cover.jpg"))
    return tmp_path / "cover.jpg"


def _with_cover(path: Path, cover: Path, *options: str) -> Path:
    """An MP4 with sound and a cover."""
    maps = ("-map", "0", "-map", "1", "-map", "2", "-c:v:0", *X264[1:], "-c:a", "aac")
    return encode(
        *(path, scene(10, 64, 48), *maps, "-c:v:1", "copy", "-disposition:v:1", "attached_pic", *options),
        inputs=(*tone(0.4), "-i", str(cover)),
    )


def _damage_cover(path: Path, cover: Path) -> Path:
    data, image = bytearray(path.read_bytes()), cover.read_bytes()
    place = data.find(image[:64])
    data[place + _DATA_OF_COVER : place + len(image)] = bytes(len(image) - _DATA_OF_COVER)
    path.write_bytes(bytes(data))
    return path


def _covers(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        found = [s for s in container.streams.video if s.disposition & av.stream.Disposition.attached_pic]
        return [bytes(next(container.demux(stream))) for stream in found]


def test_a_damaged_cover_is_refused_at_once(tmp_path: Path, cover: Path, no_work: None) -> None:
    source = _damage_cover(_with_cover(tmp_path / "in.mp4", cover), cover)
    with pytest.raises(vsr.UsageError, match=r"cover stream 2 \(mjpeg\).*dimensions not set\); name the output \.mkv"):
        _restore(source, tmp_path / "out.mp4")
    assert not list(tmp_path.glob("out*"))


def test_the_container_of_the_hint_holds_it(tmp_path: Path, cover: Path) -> None:
    source = _damage_cover(_with_cover(tmp_path / "in.mp4", cover), cover)
    _restore(source, tmp_path / "out.mkv")
    assert _covers(tmp_path / "out.mkv") == _covers(source)


def test_without_it_the_others_come_out_right(tmp_path: Path, cover: Path) -> None:
    source = _damage_cover(_with_cover(tmp_path / "in.mp4", cover), cover)
    manifest = _restore(source, tmp_path / "out.mp4", drop_streams=True)
    assert manifest["output"]["dropped"] == ["cover stream 2 (mjpeg): .mp4 refuses it: dimensions not set"]
    given, got = read_plain(source), read_plain(tmp_path / "out.mp4")
    assert [stream.kind for stream in got.streams] == ["video", "audio"]
    assert got.of("audio")[0].payloads == given.of("audio")[0].payloads


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_covers_stay_covers(tmp_path: Path, cover: Path, container: str) -> None:
    source = _with_cover(tmp_path / "in.mp4", cover)
    _restore(source, tmp_path / f"out.{container}")
    assert _covers(tmp_path / f"out.{container}") == [cover.read_bytes()]
    _restore(tmp_path / f"out.{container}", tmp_path / f"again.{container}")
    assert _covers(tmp_path / f"again.{container}") == [cover.read_bytes()]


def test_mov_has_no_place_for_covers(tmp_path: Path, cover: Path, no_work: None) -> None:
    with pytest.raises(vsr.UsageError, match=r"\.mov cannot hold cover stream 2 \(mjpeg\); name the output \.mkv"):
        _restore(_with_cover(tmp_path / "in.mp4", cover), tmp_path / "out.mov")


def test_a_cover_that_mp4_would_lose_beside_other_tags(tmp_path: Path, cover: Path, no_work: None) -> None:
    source = encode(
        *(tmp_path / "in.mkv", scene(10, 64, 48), *X264, "-metadata", "reel=7", "-attach", str(cover)),
        *("-metadata:s:t", "mimetype=image/jpeg", "-metadata:s:t", "filename=cover.jpg"),
    )
    with pytest.raises(vsr.UsageError, match=r"leaves the video out beside these tags\); name the output \.mkv"):
        _restore(source, tmp_path / "out.mp4")


def test_a_timecode_track_that_mov_refuses(tmp_path: Path, no_work: None) -> None:
    """Only the end of the file shows that it cannot be written."""
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:00,300\nhello\n")
    source = encode(tmp_path / "in.mp4", scene(10, 64, 48), *X264, "-c:s", "mov_text", inputs=("-i", str(words)))
    data = bytearray(source.read_bytes())
    for old, new in ((b"tx3g", b"tmcd"), (b"sbtl", b"tmcd")):
        place = data.find(old, data.rfind(b"trak"))
        data[place : place + 4] = new
    source.write_bytes(bytes(data))
    with pytest.raises(vsr.UsageError, match=r"avg_frame_rate not set.*no container here holds stream 1"):
        _restore(source, tmp_path / "out.mov")


def _damaged_sound(path: Path) -> Path:
    """A transport stream whose sound has broken headers from its 180th frame on, past what is tried first."""
    encode(path, scene(150, 64, 48), "-c:v", "mpeg2video", "-c:a", "aac", "-b:a", "160k", inputs=tone(6))
    data = bytearray(path.read_bytes())
    place = len(data) * 7 // 10
    for _ in range(20):
        place = data.find(b"\xff\xf1", place + 7)
        data[place + 2 : place + 5] = b"\xff\xff\xff"
    path.write_bytes(bytes(data))
    return path


def test_damage_far_into_a_copied_stream(tmp_path: Path) -> None:
    source = _damaged_sound(tmp_path / "in.ts")
    with pytest.raises(vsr.UsageError, match=r"audio stream 1 \(aac\).*Invalid data found.*--drop-streams"):
        _restore(source, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
    manifest = _restore(source, tmp_path / "out.mp4", drop_streams=True)
    assert manifest["output"]["dropped"][0].startswith("audio stream 1 (aac): .mp4 refuses it")
    assert not read_plain(tmp_path / "out.mp4").of("audio")


def _sound_of(path: Path) -> list[bytes]:
    """The sound as ffmpeg's command copies it when it searches all of the file."""
    copy = path.with_name("sound.mkv")
    ffmpeg("-probesize", "1G", "-analyzeduration", "1G", "-i", str(path), "-map", "0:a", "-c", "copy", str(copy))
    return read_plain(copy).streams[0].payloads


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_sound_that_begins_late(tmp_path: Path, suffix: str) -> None:
    source = late_sound(tmp_path / f"in.{suffix}", 10, 9, "-c:v", "mpeg2video", "-b:v", "6M", "-c:a", "mp2")
    _restore(source, tmp_path / "out.mkv")
    [sound] = read_plain(tmp_path / "out.mkv").of("audio")
    assert sound.payloads == _sound_of(source)


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_a_stream_that_flv_does_not_announce(tmp_path: Path, extension: str) -> None:
    """The header says that there is video alone; sound comes after more than FFmpeg searches."""
    source = late_sound(tmp_path / "in.flv", 10, 9, "-c:v", "flv", "-qscale:v", "1", "-c:a", "aac")
    data = source.read_bytes()
    tags, place = [], 13
    while place + 11 < len(data):
        stop = place + 15 + int.from_bytes(data[place + 1 : place + 4], "big")
        tags.append(bytearray(data[place:stop]))
        place = stop
    sound = [tag for tag in tags if tag[0] == 8]
    sound[0][4:8] = sound[1][4:8]  # the codec's header moves to the first sound
    first = tags.index(sound[1])
    tags = [*(tag for tag in tags[:first] if tag[0] != 8), *sound[:1], *tags[first:]]
    assert sum(len(tag) for tag in tags[: first - 1]) > 5_000_000
    source.write_bytes(data[:4] + b"\x01" + data[5:13] + b"".join(tags))
    with av.open(str(source)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    _restore(source, tmp_path / f"out.{extension}")
    output = read_plain(tmp_path / f"out.{extension}")
    assert [stream.kind for stream in output.streams] == ["video", "audio"]
    assert output.of("audio")[0].payloads == _sound_of(source)


HOURS = 9 * 3600


def _gapped(path: Path, times: list[int], clock: int = 90_000) -> Path:
    """Frames at these ticks, in NUT, which holds any."""
    with av.open(str(path), "w", format="nut") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, clock)
        stream.codec_context.max_b_frames = 0
        for time, image in zip(times, scene(len(times), 64, 48), strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, clock)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


_REGULAR = [3600 * n + (HOURS * 90_000 if n >= 6 else 0) for n in range(12)]
_ODD = [3600 * n + n * n * 7 % 11 + (HOURS * 90_000 + 1) * (n // 4) for n in range(12)]
_AT_ONCE = [3600 * n + (HOURS * 90_000 + 1 if n else 0) for n in range(12)]


@pytest.mark.parametrize(
    ("times", "extension"),
    [(_REGULAR, "mkv"), (_REGULAR, "mp4"), (_REGULAR, "mov"), (_ODD, "mkv"), (_AT_ONCE, "mkv")],
)
@pytest.mark.parametrize("codec", ["h264", "ffv1"])
def test_gaps_of_hours(tmp_path: Path, times: list[int], extension: str, codec: str) -> None:
    if codec == "ffv1" and extension == "mp4":
        pytest.skip("MP4 holds no FFV1")
    source, target = _gapped(tmp_path / "in.nut", times), tmp_path / f"out.{extension}"
    settings = {"codec": codec} | ({"speed": None} if codec == "ffv1" else {})
    _restore(source, target, **settings)
    got = read_plain(target).video
    requested = [Fraction(time, 90_000) for time in times]
    if extension == "mkv":
        moved = got.seconds[0] - requested[0]
        assert [abs(a - moved - b) <= Fraction(1, 1000) for a, b in zip(got.seconds, requested, strict=True)] == [
            True
        ] * 12
    else:
        assert got.seconds == requested
    known = [time for time in got.dts if time is not None]
    assert known == sorted(set(known))


def test_a_gap_that_mp4_cannot_hold_is_met_by_the_scan(tmp_path: Path, no_work: None) -> None:
    source = _gapped(tmp_path / "in.nut", _AT_ONCE)
    with pytest.raises(vsr.UsageError, match=r"frame 1 comes 32400 s after.*\.mp4 cannot hold.*name the output \.mkv"):
        _restore(source, tmp_path / "out.mp4")


def test_a_run_that_names_no_fault_leaves_no_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    _restore(encode(tmp_path / "in.mp4", scene(10, 64, 48), *X264), tmp_path / "out.mp4")
    assert {entry.name for entry in scratch.iterdir()} <= {f"vsr-{os.getuid()}"}  # where inputs from stores are staged
