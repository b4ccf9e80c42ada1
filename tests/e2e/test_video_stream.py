"""A file with several videos: which one is restored, and what becomes of the others. Judged by plain PyAV."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from plain_reader import read_plain
from program import Run
from videos import AAC, X264, encode, ffmpeg, scene, tone

import vsr

pytestmark = pytest.mark.usefixtures("no_leaks")

FRAMES = 12
SIZES = {0: (64, 48), 2: (96, 64), 3: (48, 32)}
"""The cameras' streams in `cameras`; stream 1 is sound."""


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cameras and a sound track in one Matroska file."""
    folder = tmp_path_factory.mktemp("cameras")
    for number, (width, height) in SIZES.items():
        encode(folder / f"{number}.mkv", scene(FRAMES, width, height, seed=number + 1), *X264, "-g", "4")
    path = folder / "cameras.mkv"
    inputs = [part for number in SIZES for part in ("-i", str(folder / f"{number}.mkv"))]
    maps = ("-map", "0:v", "-map", "3:a", "-map", "1:v", "-map", "2:v")
    ffmpeg(*inputs, *tone(0.48), *maps, "-c:v", "copy", *AAC, "-metadata:s:v:1", "title=Door", str(path))
    return path


def images_of(path: Path, index: int) -> list[bytes]:
    """The decoded luma of every frame of a stream."""
    with av.open(str(path)) as container:
        return [bytes(frame.planes[0]) for frame in container.decode(container.streams[index])]


@pytest.mark.parametrize("index", list(SIZES))
def test_the_stream_that_is_named_is_restored_and_the_others_are_copied(run: Any, cameras: Path, index: int) -> None:
    settings = {"codec": "ffv1", "method": "bicubic", "scale": 1, "video_stream": index}
    output, manifest = run(cameras, "mkv", **settings)
    assert images_of(output, 0) == images_of(cameras, index)
    given, got = read_plain(cameras).streams, read_plain(output).streams
    others = [number for number in range(4) if number != index]
    assert [stream.digest for stream in got[1:]] == [given[number].digest for number in others]
    assert manifest["settings"]["video_stream"] == index
    assert manifest["input"]["video"]["index"] == index
    assert manifest["output"]["copied_streams"] == others
    assert all(check.passed for check in vsr.verify(output, recompute=True))


def test_what_is_checked_of_an_output_is_its_restored_stream(run: Any, cameras: Path) -> None:
    """Though a player would rather show the copy of a larger one beside it."""
    output, _ = run(cameras, "mkv", video_stream=3, scale=1, evidence=True)
    text = output.with_name(f"{output.name}.framemd5").read_text()
    assert "#dimensions 0: 48x32" in text
    assert all(check.passed for check in vsr.verify(output, recompute=True))
    page = vsr.make_report(output)
    assert "48×32" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("index", [0, 3])
def test_an_output_is_compared_with_the_stream_it_was_made_from(run: Any, cameras: Path, index: int) -> None:
    output, _ = run(cameras, "mkv", video_stream=index, scale=1, codec="ffv1", method="bicubic")
    compared = vsr.compare(cameras, output)
    assert {(side.width, side.height) for side in compared.sides} == {SIZES[index]}
    psnr = compared.curve("psnr")
    assert psnr is not None
    assert psnr.num_identical == FRAMES


def test_videos_that_the_container_cannot_hold_are_named(run: Any, cameras: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.mkv"
    ffmpeg("-i", str(cameras), "-map", "0:2", "-map", "0:0", "-c:v:0", "copy", "-c:v:1", "wmv2", str(old))
    with pytest.raises(vsr.UsageError, match=r"video stream 1 \(wmv2\)"):
        run(old, "mp4", video_stream=0)
    _, manifest = run(old, "mp4", video_stream=0, drop_streams=True)
    assert any("video stream 1 (wmv2)" in text for text in manifest["output"]["dropped"])


def test_segments_of_one_stream_are_not_taken_for_another(run: Any, cameras: Path, tmp_path: Path) -> None:
    """Even of two streams that show the very same."""
    twice = tmp_path / "twice.mkv"
    ffmpeg("-i", str(cameras), "-map", "0:0", "-map", "0:0", "-c", "copy", str(twice))
    keys = []
    for index in (0, 1):
        output, manifest = run(twice, "mkv", video_stream=index)
        keys.append([segment["key"] for segment in manifest["segments"]])
        output.unlink()
    assert not set(keys[0]) & set(keys[1])


@pytest.mark.parametrize("number", ["1", "9"])
@pytest.mark.parametrize("command", [["probe"], ["upscale"]], ids=lambda words: words[0])
def test_what_is_no_video_is_refused_with_those_that_are(
    call: Callable[..., Run], cameras: Path, tmp_path: Path, command: list[str], number: str
) -> None:
    output = ["-o", str(tmp_path / "out.mkv")] if command == ["upscale"] else []
    ran = call(*command, str(cameras), *output, "--video-stream", number)
    assert ran.code == 2
    assert f"stream {number} is not a video; its video streams: 0 (64x48), 2 (96x64), 3 (48x32)" in ran.one_line()
    assert not (tmp_path / "out.mkv").exists()


def test_images_have_no_streams(call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path) -> None:
    made = call("frames", str(clips("plain")), "-o", str(tmp_path / "frames/%03d.png"), "--end", "3", "-q")
    assert made.code == 0, made.err
    output = str(tmp_path / "out.mkv")
    ran = call("upscale", str(tmp_path / "frames"), "-o", output, "--video-stream", "0", "--fps", "25")
    assert ran.code == 2
    assert "images have no stream 0" in ran.one_line()


def test_probe_lists_the_choice(call: Callable[..., Run], cameras: Path) -> None:
    text = call("probe", str(cameras), "--video-stream", "3").out
    for index, (width, height) in SIZES.items():
        assert f"video h264 {width}x{height}" in text
        assert f"--video-stream {index}" in text
    assert "Door" in text
    probed = json.loads(call("probe", str(cameras), "--video-stream", "3", "--json").out)
    assert (probed["media"]["video"]["index"], probed["upscale"]["size"]) == (3, [96, 64])


def test_probe_names_the_programmes_of_a_broadcast(call: Callable[..., Run], cameras: Path, tmp_path: Path) -> None:
    broadcast = tmp_path / "two.ts"
    programs = ("-program", "title=First:st=0:st=1", "-program", "title=Second:program_num=7:st=2")
    ffmpeg("-i", str(cameras), "-map", "0:0", "-map", "0:1", "-map", "0:2", "-c", "copy", *programs, str(broadcast))
    probed = json.loads(call("probe", str(broadcast), "--json").out)
    assert [stream["program"] for stream in probed["media"]["streams"]] == ["1 First", "1 First", "7 Second"]
    assert "programme 7 Second, --video-stream 2" in call("probe", str(broadcast)).out


@pytest.mark.parametrize("index", [0, 2])
def test_stills_and_frames_come_from_the_stream_that_is_named(
    call: Callable[..., Run], cameras: Path, tmp_path: Path, index: int
) -> None:
    place = tmp_path / "frames/%03d.png"
    ran = call("frames", str(cameras), "-o", str(place), "--video-stream", str(index), "--end", "2", "-q")
    assert ran.code == 0, ran.err
    with av.open(str(tmp_path / "frames/001.png")) as image:
        assert (image.streams.video[0].width, image.streams.video[0].height) == SIZES[index]
    still = tmp_path / "still.png"
    words = ("--at", "5", "--scale", "2", "--frames", "3", "--no-evidence", "-q")
    ran = call("still", str(cameras), "-o", str(still), "--video-stream", str(index), *words)
    assert ran.code == 0, ran.err
    with av.open(str(still)) as image:
        width, height = SIZES[index]
        assert (image.streams.video[0].width, image.streams.video[0].height) == (2 * width, 2 * height)
    for output in (place, still):
        checked = call("verify", str(output), "--recompute")
        assert checked.code == 0, checked.out + checked.err
