"""Streams whose images change in mid-file: pixel aspect, size, colours, format. Judged by plain PyAV."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from plain_reader import first_frames, read_plain
from program import Run
from videos import X264, X265, encode, ffmpeg, scene

import vsr
from vsr.media.damage import Damage
from vsr.media.decode import VideoTrack, decode_linear

pytestmark = pytest.mark.usefixtures("no_leaks")

FRAMES = 8
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "2", "-bf", "2", "-threads", "1")
CODECS = {"h264": (*X264, "-crf", "10"), "hevc": (*X265, "-crf", "10"), "mpeg2": MPEG2}
EXACT = {"codec": "ffv1", "method": "bicubic"}


def joined(path: Path, *parts: tuple[int, int, str], codec: str = "h264", **options: Any) -> Path:
    """A transport stream of parts of `FRAMES` frames, each of a width, a height and a filter of its own."""
    data = b""
    for number, (width, height, vf) in enumerate(parts):
        part = path.with_name(f"{path.stem}-part-{number}.ts")
        images = scene(FRAMES, width, height, seed=3) // 2 + 100  # nothing in it is black
        offset = ("-muxdelay", "0", "-output_ts_offset", f"{1 + number * FRAMES * 0.04}")
        encode(part, images, *CODECS[codec], *offset, vf=vf, **options)
        data += part.read_bytes()
    path.write_bytes(data)
    return path


def rgb_of(path: Path) -> tuple[list[NDArray[np.uint8]], Fraction]:
    """Every frame as ``(H, W, 3)`` RGB, and the pixel aspect of the stream."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return frames, stream.sample_aspect_ratio or Fraction(1)


def shown_shape(image: NDArray[np.uint8], aspect: Fraction) -> tuple[float, tuple[int, int, int, int]]:
    """Width over height of what is not black, as players show it, and its box: top, bottom, left, right."""
    bright = image.max(axis=2) > 40
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    box = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    return float(aspect) * (box[3] - box[2]) / (box[1] - box[0]), box


ASPECTS = ((90, 72, "setsar=16/15"), (90, 72, "setsar=64/45"))


@pytest.mark.parametrize("codec", list(CODECS))
@pytest.mark.parametrize("container", ["ts", "mkv", "mp4"])
def test_a_pixel_aspect_that_changes_is_followed(run: Any, tmp_path: Path, codec: str, container: str) -> None:
    source = joined(tmp_path / "both.ts", *ASPECTS, codec=codec)
    if container != "ts":
        remuxed = source.with_suffix(f".{container}")
        ffmpeg("-i", str(source), "-c", "copy", str(remuxed))
        source = remuxed
    output, manifest = run(source, "mkv", **EXACT)
    images, aspect = rgb_of(output)
    assert len(images) == 2 * FRAMES
    for number, image in enumerate(images):
        shape, box = shown_shape(image, aspect)
        assert shape == pytest.approx(4 / 3 if number < FRAMES else 16 / 9, rel=0.03)
        whole = image.shape[0] if number < FRAMES else pytest.approx(0.75 * image.shape[0], abs=4)
        assert box[1] - box[0] == whole
        assert box[3] - box[2] == image.shape[1]
    [change] = manifest["changes"]["first"]
    assert (change["frame"], change["what"]) == (FRAMES, "pixel aspect")
    assert (change["before"], change["after"]) == ("16:15", "64:45")


@pytest.mark.parametrize("threads", [2, 5])
def test_decoder_threads_do_not_move_the_change(run: Any, tmp_path: Path, threads: int) -> None:
    for codec in CODECS:
        source = joined(tmp_path / f"{codec}.ts", *ASPECTS, *ASPECTS, codec=codec)
        output, manifest = run(source, "mkv", decoder_threads=threads, **EXACT)
        assert [change["frame"] for change in manifest["changes"]["first"]] == [FRAMES, 2 * FRAMES, 3 * FRAMES]
        output.unlink()


def test_a_narrower_image_gets_bars_at_its_sides(run: Any, tmp_path: Path) -> None:
    output, _ = run(joined(tmp_path / "both.ts", *reversed(ASPECTS)), "mkv", **EXACT)
    images, aspect = rgb_of(output)
    shape, (top, bottom, left, right) = shown_shape(images[-1], aspect)
    assert shape == pytest.approx(4 / 3, rel=0.04)
    assert (top, bottom) == (0, images[-1].shape[0])
    assert abs(left - (images[-1].shape[1] - right)) <= 4


def test_a_container_that_knows_better_speaks_for_all_frames(run: Any, tmp_path: Path) -> None:
    """Matroska's display size overrules what the stream says, as in players."""
    source = joined(tmp_path / "both.ts", *ASPECTS)
    squeezed = source.with_suffix(".mkv")
    ffmpeg("-i", str(source), "-c", "copy", "-aspect", "2:1", str(squeezed))
    output, manifest = run(squeezed, "mkv", **EXACT)
    images, aspect = rgb_of(output)
    assert {round(shown_shape(image, aspect)[0], 2) for image in images} == {2.0}
    assert manifest["changes"] == {"count": 0, "first": []}


@pytest.mark.parametrize(
    ("second", "has_bars"), [((96, 72), False), ((48, 36), False), ((96, 64), True), ((64, 72), True)], ids=str
)
def test_another_size_is_scaled_and_another_shape_fitted(
    run: Any, tmp_path: Path, second: tuple[int, int], has_bars: bool
) -> None:
    output, manifest = run(joined(tmp_path / "both.ts", (64, 48, "setsar=1"), (*second, "setsar=1")), "mkv", **EXACT)
    images, aspect = rgb_of(output)
    assert {image.shape for image in images} == {(96, 128, 3)}
    shape, box = shown_shape(images[FRAMES], aspect)
    assert shape == pytest.approx(second[0] / second[1], rel=0.05)
    assert (box != (0, 96, 0, 128)) == has_bars
    [change] = manifest["changes"]["first"]
    assert (change["frame"], change["after"]) == (FRAMES, f"{second[0]}x{second[1]}")
    assert ("black" in change["handling"]) == has_bars


def test_stretched_where_that_is_asked_for(run: Any, tmp_path: Path) -> None:
    output, _ = run(joined(tmp_path / "both.ts", *ASPECTS), "mkv", shapes="stretch", **EXACT)
    images, aspect = rgb_of(output)
    assert {shown_shape(image, aspect)[1] for image in images} == {(0, 144, 0, 180)}


MATRICES = ("scale=out_color_matrix=bt601,setparams=colorspace=smpte170m", "scale=out_color_matrix=bt709,setparams={}")
BT709 = "colorspace=bt709:color_primaries=bt709:color_trc=bt709"
RANGES = ("scale=out_range=tv,setparams=range=tv", "scale=out_range=pc,setparams=range=pc")


@pytest.mark.parametrize("filters", [(MATRICES[0], MATRICES[1].format(BT709)), RANGES], ids=["matrix", "range"])
def test_colours_that_change_are_converted(run: Any, tmp_path: Path, filters: tuple[str, str]) -> None:
    """Both parts show the same scene, coded in two ways; the output says one of them and shows the same twice."""
    source = joined(tmp_path / "both.ts", *((64, 48, vf) for vf in filters))
    output, manifest = run(source, "mkv", scale=1, **EXACT)
    images, _ = rgb_of(output)
    apart = [
        np.abs(one.astype(int) - other).mean() for one, other in zip(images[:FRAMES], images[FRAMES:], strict=True)
    ]
    assert max(apart) < 2.5
    assert {change["what"] for change in manifest["changes"]["first"]} >= {"colour"}
    assert {change["frame"] for change in manifest["changes"]["first"]} == {FRAMES}


def test_more_depth_in_mid_file_is_named(run: Any, tmp_path: Path) -> None:
    data = b""
    for number, pix_fmt in enumerate(("yuv420p", "yuv420p10le")):
        part = tmp_path / f"{pix_fmt}.ts"
        offset = ("-muxdelay", "0", "-output_ts_offset", f"{1 + number * FRAMES * 0.04}")
        encode(part, scene(FRAMES, 64, 48), *X264, "-crf", "4", *offset, pix_fmt=pix_fmt)
        data += part.read_bytes()
    source = tmp_path / "both.ts"
    source.write_bytes(data)
    output, manifest = run(source, "mkv", scale=1, **EXACT)
    images, _ = rgb_of(output)
    assert np.abs(images[0].astype(int) - images[FRAMES]).mean() < 3
    [change] = manifest["changes"]["first"]
    assert (change["what"], change["after"], change["handling"]) == (
        "pixel format",
        "yuv420p10le",
        "written as yuv420p",
    )


def test_segments_do_not_show(run: Any, tmp_path: Path) -> None:
    source = joined(tmp_path / "both.ts", *ASPECTS, (64, 64, "setsar=1"))
    seen = []
    for length in (16, 240):
        output, _ = run(source, "mkv", segment_frames=length, **EXACT)
        seen.append(rgb_of(output)[0])
        output.unlink()
    assert all(np.array_equal(one, other) for one, other in zip(*seen, strict=True))


def test_one_file_a_shape(tmp_path: Path, quick: dict[str, Any]) -> None:
    parts = ((90, 72, "setsar=16/15"), (90, 72, "setsar=64/45"), (64, 48, "setsar=1"))
    source = joined(tmp_path / "three.ts", *parts)
    outcomes = vsr.upscale(source, tmp_path / "out.mp4", settings=quick | {"split": True})
    names = [Path(outcome.output).name for outcome in outcomes]
    assert names == ["out-1.mp4", "out-2.mp4", "out-3.mp4"]
    for name, (width, height, vf) in zip(names, parts, strict=True):
        images, aspect = rgb_of(tmp_path / name)
        assert {image.shape for image in images} == {(2 * height, 2 * width, 3)}
        assert len(images) == FRAMES
        assert aspect == Fraction(vf.removeprefix("setsar="))
    checks = vsr.verify(tmp_path / "out-2.mp4", recompute=True)
    assert all(check.passed for check in checks), checks


def test_one_shape_stays_one_file(clips: Callable[[str], Path], tmp_path: Path, quick: dict[str, Any]) -> None:
    [outcome] = vsr.upscale(clips("plain"), tmp_path / "out.mp4", settings=quick | {"split": True})
    assert Path(outcome.output).name == "out.mp4"
    assert len(read_plain(tmp_path / "out.mp4").video.pts) == len(read_plain(clips("plain")).video.pts)


def test_a_span_of_a_split_file_keeps_to_it(tmp_path: Path, quick: dict[str, Any]) -> None:
    source = joined(tmp_path / "both.ts", *ASPECTS)
    outcomes = vsr.upscale(
        source, tmp_path / "out.mp4", start=FRAMES - 3, end=FRAMES + 2, settings=quick | {"split": True}
    )
    assert [len(rgb_of(Path(outcome.output))[0]) for outcome in outcomes] == [3, 2]
    [after] = vsr.upscale(source, tmp_path / "late.mp4", start=FRAMES + 1, settings=quick | {"split": True})
    images, aspect = rgb_of(Path(after.output))
    assert (len(images), aspect) == (FRAMES - 1, Fraction(64, 45))


def test_a_batch_is_split_file_by_file(call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    joined(tmp_path / "both.ts", *ASPECTS).rename(folder / "both.ts")
    (folder / "bad.mp4").write_bytes(b"no video")
    (folder / "plain.mp4").write_bytes(clips("plain").read_bytes())
    words = ("upscale", str(folder), "-o", f"{output}/", "--split", "--method", "lanczos", "--scale", "1")
    assert call(*words).code == 3
    assert {path.name for path in output.glob("*.mp4")} == {"both-1.mp4", "both-2.mp4", "plain.mp4"}
    entries = json.loads((output / "batch.json").read_text())["files"]
    assert sorted((Path(one["output"]).name, one["status"]) for one in entries) == [
        *(("bad.mp4", "failed"), ("both-1.mp4", "done"), ("both-2.mp4", "done"), ("plain.mp4", "done")),
    ]
    again = call(*words)
    entries = json.loads((output / "batch.json").read_text())["files"]
    assert sorted(one["status"] for one in entries) == ["done before"] * 3 + ["failed"]
    assert "both-2.mp4" in again.out


@pytest.mark.parametrize("other", ["both-1.mp4", "both-2.mp4"])
def test_parts_and_other_outputs_keep_apart(
    call: Callable[..., Run], clips: Callable[[str], Path], tmp_path: Path, other: str
) -> None:
    """Whether a part has the name of another's output is known only when the video has been split."""
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    joined(tmp_path / "both.ts", *ASPECTS).rename(folder / "both.ts")
    (folder / other).write_bytes(clips("plain").read_bytes())
    words = ("upscale", folder, "-o", f"{output}/", "--split", "--method", "lanczos", "--scale", "1")
    for more in ((), ("--overwrite",)):
        run = call(*words, *more)
        assert run.code == 2
        [line] = run.err.splitlines()
        assert f"would both become {output / other}" in line
        assert not list(output.iterdir())


def test_every_change_is_named_to_who_looks(call: Callable[..., Run], tmp_path: Path) -> None:
    source = joined(tmp_path / "both.ts", *ASPECTS)
    words = f"frame {FRAMES}"
    probed = call("probe", str(source), "--deep")
    assert words in probed.out
    assert "pixel aspect 16:15 becomes 64:45" in probed.out
    report = json.loads(call("probe", str(source), "--deep", "--json").out)
    assert [change["frame"] for change in report["changes"]["first"]] == [FRAMES]
    ran = call("upscale", str(source), "-o", str(tmp_path / "out.mp4"), "--method", "lanczos", "--scale", "1")
    assert f"{words}: pixel aspect 16:15 becomes 64:45; fitted to" in ran.out


HELD_BACK = {
    "mpeg2": MPEG2,
    "mpeg2 without B-frames": (*MPEG2, "-bf", "0"),
    "mpeg1": ("-c:v", "mpeg1video", "-q:v", "2", "-bf", "2", "-threads", "1"),
    "mpeg4": ("-c:v", "mpeg4", "-q:v", "2", "-bf", "2"),
    "mpeg4 without B-frames": ("-c:v", "mpeg4", "-q:v", "2"),
    "h264": (*X264, "-bf", "3"),
    "hevc": (*X265, "-bf", "3"),
}
INTERLACED, WIDE = ("-flags", "+ildct+ilme"), ("-pix_fmt", "yuv422p")
CHANGES = {
    **{name: ((64, 48, options), (96, 64, options)) for name, options in HELD_BACK.items()},
    "mpeg2, other chroma": ((64, 48, MPEG2), (64, 48, (*MPEG2, *WIDE))),
    "mpeg2, other scan": ((64, 48, MPEG2), (64, 48, (*MPEG2, *INTERLACED))),
    "mpeg4, other delay": ((64, 48, HELD_BACK["mpeg4"]), (64, 48, HELD_BACK["mpeg4 without B-frames"])),
    "mpeg4, no delay before": ((64, 48, HELD_BACK["mpeg4 without B-frames"]), (64, 48, HELD_BACK["mpeg4"])),
}


def _pixels(path: Path) -> list[str]:
    return [hashlib.sha256(frame.to_ndarray(format="rgb24").tobytes()).hexdigest() for frame in first_frames(path)]


@pytest.mark.parametrize("suffix", ["ts", "es"])
@pytest.mark.parametrize("name", CHANGES)
def test_no_frame_is_lost_where_the_stream_changes(name: str, suffix: str, tmp_path: Path) -> None:
    """FFmpeg's decoders drop the frame that they hold back: each recording is decoded alone for the expected frames."""
    codec = name.split(",")[0].split()[0]
    raw = {"mpeg2": "m2v", "mpeg1": "m1v", "mpeg4": "m4v", "h264": "h264", "hevc": "hevc"}
    ending = raw[codec] if suffix == "es" else suffix
    form = ("-f", "m4v") if ending == "m4v" else ()  # else it would be MP4
    parts = [
        encode(tmp_path / f"part{number}.{ending}", scene(12, width, height, seed=number), *options, *form)
        for number, (width, height, options) in enumerate([*CHANGES[name], CHANGES[name][0]])
    ]
    requested = [digest for part in parts for digest in _pixels(part)]
    assert len(requested) == 36
    joined = tmp_path / f"joined.{ending}"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    damage = Damage()
    frames = [frame for _, frame in decode_linear(VideoTrack(joined, 0), damage)]
    found = [hashlib.sha256(frame.to_ndarray(format="rgb24").tobytes()).hexdigest() for frame in frames]
    assert found == requested
    assert not damage.total
    if codec in ("mpeg2", "mpeg4"):  # and so in the output
        [outcome] = vsr.upscale(joined, tmp_path / "out.mkv", settings=EXACT | {"scale": 1.0})
        assert outcome.manifest is not None
        assert len(first_frames(tmp_path / "out.mkv")) == 36


def test_packets_after_a_change_that_give_no_image_are_damage(tmp_path: Path, call: Callable[..., Run]) -> None:
    """The second recording begins with B-frames whose first reference was cut off."""
    first = encode(tmp_path / "a.m2v", scene(12, 64, 48), *MPEG2)
    second = encode(tmp_path / "b.m2v", scene(40, 96, 64), *MPEG2, "-g", "12", "-sc_threshold", "1000000000")
    data = second.read_bytes()
    cut = tmp_path / "cut.m2v"
    cut.write_bytes(data[data.index(b"\x00\x00\x01\xb3", 10) :])
    source = tmp_path / "in.m2v"
    source.write_bytes(first.read_bytes() + cut.read_bytes())
    with av.open(str(source)) as container:
        packets = sum(bool(packet.size) for packet in container.demux(video=0))
    missing = packets - 12 - len(first_frames(cut))
    assert missing == 2
    words = f"{missing} packets after a change of the stream give no frame"
    done = call("upscale", source, "-o", tmp_path / "out.mkv", "--scale", 1, "--method", "lanczos")
    assert done.code == 0, done.err
    assert words in done.out
    assert "follow a change of the stream" in call("probe", "--deep", source).out
    assert json.loads((tmp_path / "out.mkv.vsr.json").read_text())["damage"]["change_packets"] == missing
    assert len(first_frames(tmp_path / "out.mkv")) == packets - missing
    strict = call("upscale", source, "-o", tmp_path / "strict.mkv", "--scale", 1, "--method", "lanczos", "--strict")
    assert (strict.code, words in strict.one_line()) == (3, True)
