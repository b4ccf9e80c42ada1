"""Kinds of faults that files from a seed have found: each with a file of its own, judged by an independent reader."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from plain_reader import first_frames, read_plain
from program import Run
from videos import AAC, X264, encode, ffmpeg, scene, tone

import vsr

Call = Callable[..., Run]
QUICK: dict[str, Any] = {"method": "bicubic", "scale": 1, "speed": "ultrafast"}
pytestmark = pytest.mark.usefixtures("no_leaks")


def _restore(source: Path, target: Path, **settings: Any) -> dict[str, Any]:
    [outcome] = vsr.upscale(source, target, workers=1, settings=QUICK | settings)
    assert outcome.manifest is not None
    return dict(outcome.manifest)


_NARROW = """
import av
from fractions import Fraction
from vsr.media.repeatable import join_params, repeatable_x265
for width in (128, *range(32, 66, 2)):
    for form in ("yuv420p", "yuv420p10le"):
        context = av.CodecContext.create("libx265", "w")
        context.width, context.height, context.pix_fmt, context.time_base = width, 34, form, Fraction(1, 25)
        params = {"log-level": "none", "pools": "2", **repeatable_x265(width, 34)}
        context.options = {"preset": "ultrafast", "x265-params": join_params(params)}
        context.open()
        for number in range(5):
            frame = av.VideoFrame(width, 34, "gray").reformat(format=form)
            frame.pts = number
            context.encode(frame)
        context.encode(None)
        del context
"""


def test_narrow_images_do_not_end_the_process() -> None:
    """x265 wrote behind its lookahead's frames, wherever they were 34 to 48 wide; glibc looks after each free."""
    environment = os.environ | {"MALLOC_CHECK_": "3", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", _NARROW], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("codec", ["apng", "magicyuv"])
def test_damaged_images_are_the_same_in_every_pass(tmp_path: Path, codec: str) -> None:
    """What a decoder leaves unpainted shows what its buffer held: frames that wait for their times hold no buffers."""
    source = tmp_path / ("in.apng" if codec == "apng" else "in.avi")
    encode(source, scene(12, 66, 50), "-c:v", codec, pix_fmt="rgba" if codec == "apng" else "gbrp")
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    source.write_bytes(bytes(data))
    manifest = _restore(source, tmp_path / "out.mkv", codec="ffv1")
    assert manifest["times"]["num_frames"] == len(first_frames(tmp_path / "out.mkv")) > 5


@pytest.mark.parametrize(
    ("given", "kept"), [("deu", "ger"), ("nld", "dut"), ("swe", "sve"), ("eng", "eng"), ("hrv", None)]
)
def test_languages_in_mov(tmp_path: Path, given: str, kept: str | None) -> None:
    """MOV has one code a language, and none for some: those are named."""
    source = tmp_path / "in.mkv"
    options = (*X264, *AAC, "-metadata:s:a", f"language={given}", "-metadata:s:v", f"language={given}")
    encode(source, scene(6, 64, 48), *options, inputs=tone(0.24))
    manifest = _restore(source, tmp_path / "out.mov")
    found = [stream.tags.get("language") for stream in read_plain(tmp_path / "out.mov").streams]
    named = [words for words in manifest["output"]["dropped"] if f"language {given}" in words]
    assert (found[:2], len(named)) == (([kept, kept], 0) if kept else ([None, None], 2))


def test_a_comment_of_matroska_stays_in_mov(tmp_path: Path) -> None:
    source = encode(tmp_path / "in.mkv", scene(6, 64, 48), *X264, "-metadata", "comment=seen twice")
    assert read_plain(source).tags["COMMENT"] == "seen twice"
    _restore(source, tmp_path / "out.mov")
    assert "seen twice" in read_plain(tmp_path / "out.mov").tags.values()


def test_tags_of_ogg_streams_are_named_where_mp4_has_no_place(tmp_path: Path) -> None:
    source = encode(tmp_path / "in.ogg", scene(6, 64, 48), "-c:v", "libtheora", "-metadata", "reel=A 17")
    assert read_plain(source).video.tags["reel"] == "A 17"
    assert any("reel" in words for words in _restore(source, tmp_path / "out.mp4")["output"]["dropped"])
    assert "A 17" in read_plain(_made(source, tmp_path / "out.mkv")).video.tags.values()


def _made(source: Path, target: Path) -> Path:
    _restore(source, target)
    return target


def test_chapters_before_the_start_are_named(tmp_path: Path) -> None:
    listed = tmp_path / "chapters.txt"
    listed.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=Opening\n")
    source = tmp_path / "in.mkv"
    inputs = ("-f", "ffmetadata", "-i", str(listed))
    encode(source, scene(6, 64, 48), *X264, "-map_chapters", "1", "-output_ts_offset", "90000", inputs=inputs)
    assert read_plain(source).chapters
    assert "chapters: 1 of 1 end before the video begins" in _restore(source, tmp_path / "out.mkv")["output"]["dropped"]


def test_a_second_video_behind_an_edit_list(tmp_path: Path) -> None:
    """Its first packets are hidden, and no reader gives them where the list begins with a key frame."""
    whole, source = tmp_path / "whole.mp4", tmp_path / "in.mp4"
    second = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.8")
    coded = ("-map", "0", "-map", "1", "-c:v:1", "mjpeg", "-bf:v:1", "0", "-pix_fmt:v:1", "yuvj420p")
    encode(whole, scene(20, 64, 48), *X264, *coded, inputs=second)
    ffmpeg("-ss", "0.22", "-i", str(whole), "-map", "0", "-c", "copy", str(source))
    with av.open(str(source)) as container:
        hidden = [packet.is_discard for packet in container.demux(container.streams[1]) if packet.size]
    assert any(hidden)
    _restore(source, tmp_path / "out.mp4")
    assert len(read_plain(tmp_path / "out.mp4").of("video")[1].payloads) >= len(hidden) - sum(hidden)


def test_a_stream_without_packets_is_named(tmp_path: Path) -> None:
    """MP4 makes no track for it: known before the file is put together."""
    options = ("-map", "0", "-map", "1", "-c:v", "libtheora", "-c:a", "flac")
    source = encode(tmp_path / "in.ogg", scene(10, 64, 48), *options, inputs=tone(0.4))
    data, place = bytearray(source.read_bytes()), 0
    with av.open(str(source)) as container:
        [sound] = container.streams.audio
        assert sound.codec_context.name == "flac"
    serials = [int.from_bytes(data[n + 14 : n + 18], "little") for n in range(len(data)) if data[n : n + 4] == b"OggS"]
    last = serials[1]
    pages = [n for n in range(len(data)) if data[n : n + 4] == b"OggS"]
    for place in pages[4:]:
        if int.from_bytes(data[place + 14 : place + 18], "little") == last:
            data[place : place + 4] = b"none"
    source.write_bytes(bytes(data))
    sound_packets = [stream for stream in read_plain(source).of("audio") if not stream.payloads]
    assert sound_packets
    manifest = _restore(source, tmp_path / "out.mp4")
    assert any("it holds no packets" in words for words in manifest["output"]["dropped"])
    assert not read_plain(tmp_path / "out.mp4").of("audio")


def test_a_long_gap_behind_reordered_frames(tmp_path: Path) -> None:
    """The header's average rate counts the gap, so it tells no frame's length."""
    whole, source = tmp_path / "whole.mov", tmp_path / "in.mov"
    encode(whole, scene(24, 64, 48), "-c:v", "mpeg4", "-g", "6", "-bf", "1", rate="24")
    late = "if(gte(N,8),36000/TB,0)"
    ffmpeg("-i", str(whole), "-c", "copy", "-bsf:v", f"setts=pts='PTS+{late}':dts='DTS+{late}'", str(source))
    decoded = [frame.pts for frame in first_frames(source)]
    assert decoded != sorted(decoded)
    damage = _restore(source, tmp_path / "out.mkv")["damage"]
    assert (damage["sorted_times"], damage["outlying_times"]) == (2, 0)


def test_frames_closer_than_the_clock_of_matroska(tmp_path: Path, call: Call) -> None:
    source = tmp_path / "in.mp4"
    times = "'(N*3600-eq(N,5)*3560)/90000/TB'"  # the sixth frame 40 ticks behind the fifth
    encode(source, scene(10, 64, 48), "-c:v", "mjpeg", times=times, pix_fmt="yuvj420p")
    done = call("upscale", source, "-o", tmp_path / "out.mkv", "--scale", 1, "--method", "bicubic")
    assert done.code == 2
    assert "frame 5 comes 0.44 ms after the one before" in done.one_line()
    _restore(source, tmp_path / "out.mp4")
    shown = [frame.pts for frame in first_frames(tmp_path / "out.mp4")]
    assert len(shown) == 10
    assert np.all(np.diff(shown) > 0)


def test_progressive_frames_pass_a_deinterlacer_as_they_are(tmp_path: Path) -> None:
    """Grey of 10 bits, which FFmpeg would convert for it."""
    source = encode(tmp_path / "in.mkv", scene(8, 96, 64), "-c:v", "ffv1", pix_fmt="gray10le")
    vsr.still(source, tmp_path / "out.tif", at=3, frames=4, scale=2, roi=(8, 8, 48, 32))
    with av.open(str(tmp_path / "out.tif")) as container:
        assert next(container.decode(video=0)).format.name == "gray16le"


_BLOCK = 4  # bytes of a sample of stereo with 16 bits


def _sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def _cut_within_a_sample(whole: Path, path: Path) -> int:
    """Cut ``whole`` off within its last sample of sound; how many bytes of that are left."""
    data = whole.read_bytes()
    for size in range(len(data) * 3 // 4, len(data)):
        path.write_bytes(data[:size])
        last = _sound(path)[-1]
        if len(last) > 2 * _BLOCK and len(last) % _BLOCK == 1:
            return 1
    raise AssertionError("no packet of sound is cut off")


@pytest.mark.parametrize("extension", ["avi", "nut", "mxf"])
def test_sound_that_is_cut_off_within_a_sample(tmp_path: Path, extension: str) -> None:
    """MOV counts samples and loses the rest, which failed after all the work; Matroska holds all."""
    whole, source = tmp_path / f"whole.{extension}", tmp_path / f"in.{extension}"
    encode(whole, scene(25), "-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ac", "2", inputs=tone(1))
    rest = _cut_within_a_sample(whole, source)
    given = b"".join(_sound(source))
    manifest = _restore(source, tmp_path / "out.mov")
    assert b"".join(_sound(tmp_path / "out.mov")) == given[:-rest]
    named = "1 byte at the end of audio stream 1 (pcm_s16le): part of a sample, and .mov holds whole ones"
    assert named in manifest["output"]["dropped"]
    manifest = _restore(source, tmp_path / "out.mkv")
    assert b"".join(_sound(tmp_path / "out.mkv")) == given
    assert not any("part of a sample" in text for text in manifest["output"]["dropped"])


def test_sound_that_breaks_off_within_a_sample_and_goes_on(tmp_path: Path, call: Call) -> None:
    """What follows would be noise in MOV; the container that holds it is named."""
    whole, source = tmp_path / "whole.nut", tmp_path / "in.nut"
    encode(whole, scene(25), "-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ac", "2", inputs=tone(1))
    with av.open(str(whole)) as given, av.open(str(source), "w", format="nut") as broken:
        streams = [broken.add_stream_from_template(stream) for stream in given.streams]
        for number, packet in enumerate(packet for packet in given.demux() if packet.size):
            if number == 20 and packet.stream.type == "audio":
                packet = _shortened(packet)
            packet.stream = streams[packet.stream_index]
            broken.mux(packet)
    sizes = [len(payload) for payload in _sound(source)]
    assert sum(size % _BLOCK > 0 for size in sizes[:-1]) == 1
    refused = call("upscale", source, "-o", tmp_path / "out.mov", "--method", "bicubic", "--scale", "1")
    assert refused.code == 2
    assert ".mov cannot hold audio stream 1 (pcm_s16le) (it breaks off within a sample, and" in refused.one_line()
    assert "name the output .mkv" in refused.one_line()
    _restore(source, tmp_path / "out.mkv")
    assert _sound(tmp_path / "out.mkv") == _sound(source)
    manifest = _restore(source, tmp_path / "out.mov", drop_streams=True)
    assert any("breaks off within a sample" in text for text in manifest["output"]["dropped"])


def _shortened(packet: av.Packet[Any]) -> av.Packet[Any]:
    short = av.Packet(bytes(packet)[:-3])
    short.pts, short.dts, short.time_base, short.stream = packet.pts, packet.dts, packet.time_base, packet.stream
    return short


@pytest.mark.parametrize("extension", ["mkv", "mp4", "mov"])
def test_a_second_video_that_begins_without_a_key_frame(tmp_path: Path, extension: str) -> None:
    """As in recordings of a broadcast; packets ahead of the first key frame were lost, which failed after the work."""
    whole, source = tmp_path / "whole.nut", tmp_path / "in.nut"
    small = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1")
    encode(whole, scene(25), *X264, "-bf", "0", "-g", "10", "-map", "0", "-map", "1", inputs=small)
    with av.open(str(whole)) as given, av.open(str(source), "w", format="nut") as started:
        streams = [started.add_stream_from_template(stream) for stream in given.streams]
        is_first = True
        for packet in (packet for packet in given.demux() if packet.size):
            if packet.stream_index == 1 and is_first:
                assert packet.is_keyframe
                is_first = False
                continue
            packet.stream = streams[packet.stream_index]
            started.mux(packet)
    _restore(source, tmp_path / f"out.{extension}", video_stream=0)
    with av.open(str(source)) as given, av.open(str(tmp_path / f"out.{extension}")) as made:
        requested, found = ([packet for packet in file.demux(video=1) if packet.size] for file in (given, made))
        assert len(found) == len(requested) == 24
        assert [packet.is_keyframe for packet in found] == [packet.is_keyframe for packet in requested]
        assert not found[0].is_keyframe


@pytest.mark.parametrize("codec", ["libvorbis", "aac"])
def test_sound_of_nut_in_mp4(tmp_path: Path, codec: str) -> None:
    """NUT gives Vorbis no durations, and MP4 hid a last packet that lasts no time, which failed after the work."""
    source = tmp_path / "in.nut"
    encode(source, scene(25), *X264, "-c:a", codec, "-ac", "2", inputs=tone(1))
    _restore(source, tmp_path / "out.mp4")
    assert _sound(tmp_path / "out.mp4") == _sound(source)
