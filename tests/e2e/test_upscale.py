"""Whole runs, read back by plain PyAV: every frame, every time, every other stream, every tag."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from outputs import check_copied, check_times, decoded_times
from plain_reader import first_frames, read_plain
from videos import X264, encode, ffmpeg, scene, tone

import vsr
from vsr.media.planes import planes_of
from vsr.media.probe import probe_media

Clips = Callable[[str], Path]
pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("clip", ["cfr", "ntsc", "vfr", "open_gop_hevc", "intra_refresh", "vfr_mkv", "mpeg4_avi"])
def test_every_frame_at_its_time(run: Any, clips: Clips, clip: str, extension: str) -> None:
    output, manifest = run(clip, extension)
    source = decoded_times(clips(clip))
    moved = check_times(source, output)
    before, after = read_plain(clips(clip)), read_plain(output)
    check_copied(before, after, "audio", shift=-moved)
    assert manifest["times"]["num_frames"] == len(source)
    assert manifest["times"]["exact"] or extension == "mkv"
    [frame] = first_frames(output, 1)
    assert (frame.width, frame.height) == (192, 128)


def _seconds_shown(path: Path) -> Fraction:
    """From the start of the video to the end of its last frame, as the header says."""
    with av.open(str(path)) as container:
        return Fraction(container.duration or 0, av.time_base)


def _lasting(path: Path, seconds: int, *options: str) -> Path:
    """Three frames: one second, one second, ``seconds``."""
    last = f"setts=duration='if(eq(N,2),{seconds}/TB,1/TB)'"
    return encode(path, scene(3), *X264, *options, "-bf", "0", "-bsf:v", last, rate="1")


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("source", ["mp4", "mkv"])
def test_the_last_frame_stays_as_long(run: Any, tmp_path: Path, source: str, extension: str) -> None:
    output, _ = run(_lasting(tmp_path / f"still.{source}", 5), extension)
    assert _seconds_shown(output) == 7
    again, _ = run(output.rename(tmp_path / f"once.{extension}"), extension, scale=1)
    assert _seconds_shown(again) == 7


def test_the_last_field_and_the_last_image_of_a_gif_stay_as_long(run: Any, tmp_path: Path) -> None:
    fields, _ = run(_lasting(tmp_path / "still.mp4", 5), deinterlace="field")
    assert len(decoded_times(fields)) == 6
    assert _seconds_shown(fields) == 7
    gif = encode(tmp_path / "still.gif", scene(4), "-final_delay", "300", rate="5", pix_fmt="pal8")
    assert _seconds_shown(run(gif, "mkv")[0]) == Fraction(36, 10)


@pytest.mark.parametrize("span", [{"end": 2}, {"start": 1}])
def test_the_last_frame_of_a_part_lasts_as_long_as_the_one_before(
    run: Any, tmp_path: Path, span: dict[str, int]
) -> None:
    assert _seconds_shown(run(_lasting(tmp_path / "still.mp4", 5), **span)[0]) == 2


def test_a_last_frame_of_a_tick_is_corrected(run: Any, tmp_path: Path) -> None:
    tick = ("-bf", "0", "-bsf:v", "setts=duration=1", "-video_track_timescale", "90000")
    source = encode(tmp_path / "tick.mp4", scene(3), *X264, *tick, rate="1", times="N/TB")
    assert _seconds_shown(source) < Fraction(21, 10)
    assert _seconds_shown(run(source)[0]) == 3


@pytest.mark.parametrize("clip", ["edit_list", "late_video"])
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_edit_lists_and_offsets_stay(run: Any, clips: Clips, clip: str, extension: str) -> None:
    """What a player shows and plays together before, it shows and plays together after."""
    output, manifest = run(clip, extension)
    times = decoded_times(clips(clip))
    moved = check_times(times, output)

    def first_sound(path: Path) -> Fraction:
        with av.open(str(path)) as container:
            frame = next(container.decode(audio=0))
            return Fraction(frame.pts) * frame.time_base

    offset_before = times[0] - first_sound(clips(clip))
    offset_after = decoded_times(output)[0] - first_sound(output)
    assert abs(offset_before - offset_after) <= Fraction(1, 500)
    assert Fraction(manifest["times"]["container_shift_seconds"]) == moved


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_a_transport_stream_starts_at_zero_and_stays_in_step(run: Any, clips: Clips, extension: str) -> None:
    output, manifest = run("mpeg2_ts", extension)
    shift = Fraction(manifest["times"]["shift_seconds"])
    assert shift > 36000
    before, after = read_plain(clips("mpeg2_ts")), read_plain(output)
    assert shift == min(stream.seconds[0] for stream in before.streams)
    check_times(decoded_times(clips("mpeg2_ts")), output, shift)
    check_copied(before, after, "audio", shift=shift)
    assert min(stream.seconds[0] for stream in after.streams) < Fraction(1, 20)


def test_matroska_keeps_everything(run: Any, clips: Clips) -> None:
    output, manifest = run("rich", "mkv")
    before, after = read_plain(clips("rich")), read_plain(output)
    assert [(s.kind, s.codec) for s in after.streams] == [(s.kind, s.codec) for s in before.streams]
    for kind in ("audio", "subtitle"):
        check_copied(before, after, kind)
        assert [s.tags.get("language") for s in after.of(kind)] == [s.tags.get("language") for s in before.of(kind)]
    assert after.chapters == before.chapters
    assert (after.tags["title"], after.tags["ARTIST"]) == ("All sorts", "Nobody in particular")
    assert after.video.tags["title"] == "The image"
    with av.open(str(clips("rich"))) as a, av.open(str(output)) as b:
        [given], [got] = a.streams.attachments, b.streams.attachments
        assert got.data == given.data
        assert (got.name, got.mimetype) == (given.name, given.mimetype)
    digests = {stream["kind"]: stream["sha256"] for stream in manifest["output"]["streams"]}
    assert digests["audio"] == after.of("audio")[-1].digest
    given_digests = [s["sha256"] for s in manifest["input"]["streams"][1:]]
    assert [s["sha256"] for s in manifest["output"]["streams"][1:]] == given_digests


def test_the_title_of_the_image_is_kept_where_the_container_gives_it_another_name(run: Any, tmp_path: Path) -> None:
    """MP4 calls it ``name`` when it is read, ``title`` when it is written."""
    source = encode(tmp_path / "titled.mp4", scene(3), *X264, "-metadata:s:v:0", "title=Camera A")
    assert read_plain(source).video.tags["name"] == "Camera A"
    assert read_plain(run(source, "mp4")[0]).video.tags["name"] == "Camera A"
    assert read_plain(run(source, "mkv")[0]).video.tags["title"] == "Camera A"


def test_streams_that_do_not_fit_are_refused_with_advice(run: Any, tmp_path: Path) -> None:
    with pytest.raises(vsr.UsageError, match=r"\.mp4 cannot hold .*subrip.*\.mkv.*--drop-streams"):
        run("rich", "mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("extension", ["mp4", "mov"])
def test_sound_that_is_read_back_in_smaller_blocks_is_the_same_sound(run: Any, tmp_path: Path, extension: str) -> None:
    """As from DV tapes and MXF: a block of PCM a frame, which MOV gives back in blocks of its own."""
    blocks = ("-af", "asetnsamples=1920", "-c:a", "pcm_s16le")
    source = encode(tmp_path / "blocks.mkv", scene(25), *X264, *blocks, inputs=tone(1))
    output, _ = run(source, extension)
    [given], [got] = read_plain(source).of("audio"), read_plain(output).of("audio")
    assert len(got.payloads) > len(given.payloads)
    assert b"".join(got.payloads) == b"".join(given.payloads)


def test_streams_are_dropped_only_when_asked_and_named(run: Any) -> None:
    output, manifest = run("rich", "mp4", drop_streams=True)
    kinds = [stream.kind for stream in read_plain(output).streams]
    assert kinds[:3] == ["video", "audio", "audio"]
    assert "attachment" not in kinds
    assert len(manifest["output"]["dropped"]) == 3
    assert all("mp4 cannot hold it" in text for text in manifest["output"]["dropped"])


@pytest.mark.parametrize("extension", ["mov", "mp4"])
def test_timecode_is_kept(run: Any, extension: str) -> None:
    output, _ = run("timecode", extension)
    assert probe_media(output).video.timecode == "01:02:03:04"


def test_matroska_keeps_timecode_as_a_tag(run: Any) -> None:
    output, manifest = run("timecode", "mkv")
    assert probe_media(output).video.timecode == "01:02:03:04"
    assert any("rewritten from its timecode" in text for text in manifest["output"]["dropped"])


@pytest.mark.parametrize(
    ("changes", "extension", "coded"),
    [
        ({"size": "128x192"}, "mp4", (192, 128)),
        ({"height": 128}, "mp4", (128, 86)),
        ({"height": 192}, "mp4", (192, 128)),
        ({"scale": 2}, "mp4", (192, 128)),
        ({"to": "720p"}, "mp4", (1080, 720)),
        ({"to": "4k"}, "mp4", (3240, 2160)),
        ({"size": "192x128"}, "png", (192, 128)),
        ({"height": 128}, "png", (192, 128)),
    ],
)
def test_sizes_are_those_of_the_image_as_shown(
    clips: Clips, tmp_path: Path, changes: dict[str, Any], extension: str, coded: tuple[int, int]
) -> None:
    """Turned by players: the sides of 96x64 change places. Images have no rotation, so nothing turns them."""
    output = tmp_path / ("out.mp4" if extension == "mp4" else "out/%04d.png")
    job = vsr.plan(clips("rotated"), output, settings={"method": "lanczos"} | changes)
    assert (job.out_width, job.out_height) == coded
    assert job.encoder.sample_aspect_ratio == 1
    upright = vsr.plan(clips("plain"), output, settings={"method": "lanczos", "size": "128x192"})
    assert (upright.out_width, upright.out_height) == (128, 192)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("clip", ["rotated", "mirrored"])
def test_rotation_and_mirror_are_kept(run: Any, clips: Clips, clip: str, extension: str) -> None:
    output, _ = run(clip, extension)
    assert probe_media(output).video.display == probe_media(clips(clip)).video.display
    [frame] = first_frames(output, 1)
    assert (frame.width, frame.height) == (192, 128), "the coded frame is not turned"


@pytest.mark.parametrize(
    ("extension", "codec"),
    [("mp4", None), ("mov", None), ("mkv", None), ("mp4", "hevc"), ("mkv", "ffv1"), ("mov", "prores"), ("mp4", "av1")],
)
def test_sample_aspect_ratio_is_kept(run: Any, extension: str, codec: str | None) -> None:
    output, _ = run("sar", extension, codec=codec)
    assert probe_media(output).video.sample_aspect_ratio == Fraction(16, 11)


@pytest.mark.parametrize(("size", "expected"), [("96x128", Fraction(32, 11)), ("192x64", Fraction(8, 11))])
def test_unequal_scaling_keeps_the_shape(run: Any, size: str, expected: Fraction) -> None:
    output, _ = run("sar", "mp4", size=size)
    video = probe_media(output).video
    assert video.sample_aspect_ratio == expected
    assert video.sample_aspect_ratio * video.width / video.height == Fraction(16, 11) * 96 / 64


@pytest.mark.parametrize(
    ("changes", "coded"),
    [
        ({"scale": 2}, (280, 128)),
        ({"height": 128}, (280, 128)),
        ({"to": "720p"}, (1280, 586)),
        ({"scale": 1.5}, (210, 96)),
    ],
)
def test_pixels_are_made_square_by_more_of_them(
    clips: Clips, tmp_path: Path, changes: dict[str, Any], coded: tuple[int, int]
) -> None:
    """96x64 with pixels of 16:11 is shown as 139.6x64; sides stay even."""
    settings = {"method": "lanczos", "square_pixels": True} | changes
    job = vsr.plan(clips("sar"), tmp_path / "out.mp4", settings=settings)
    assert (job.out_width, job.out_height) == coded
    assert job.encoder.sample_aspect_ratio == 1
    plain = vsr.plan(clips("plain"), tmp_path / "out.mp4", settings=settings | {"scale": 2, "height": None, "to": None})
    assert (plain.out_width, plain.out_height) == (192, 128)


def test_square_pixels_that_are_tall(clips: Clips, tmp_path: Path) -> None:
    """Pixels of 8:9, as NTSC discs have them, get more rows."""
    tall = tmp_path / "tall.mp4"
    encode(tall, scene(4), *X264, vf="setsar=8/9")
    for changes, coded in (({"scale": 2}, (192, 144)), ({"to": "720p"}, (960, 720))):
        job = vsr.plan(tall, tmp_path / "out.mp4", settings={"method": "lanczos", "square_pixels": True} | changes)
        assert (job.out_width, job.out_height) == coded


def test_square_pixels_and_both_sides_contradict(clips: Clips, tmp_path: Path) -> None:
    settings = {"square_pixels": True, "size": "300x200"}
    with pytest.raises(vsr.UsageError, match="size gives both sides; for square pixels"):
        vsr.plan(clips("sar"), tmp_path / "out.mp4", settings=settings)


def test_square_pixels_are_what_the_file_has(run: Any) -> None:
    output, _ = run("sar", "mp4", square_pixels=True)
    video = probe_media(output).video
    assert (video.width, video.height, video.sample_aspect_ratio) == (280, 128, 1)


@pytest.mark.parametrize(
    ("extension", "codec"),
    [("mp4", "hevc"), ("mkv", "hevc"), ("mkv", "h264"), ("mp4", "av1"), ("mkv", "ffv1"), ("mov", "prores")],
)
def test_hdr_metadata_reaches_the_output(run: Any, clips: Clips, extension: str, codec: str) -> None:
    output, _ = run("hdr", extension, codec=codec)
    given, got = probe_media(clips("hdr")).video, probe_media(output).video
    assert got.content_light == given.content_light
    assert got.mastering is not None
    assert given.mastering is not None
    for a, b in zip(given.mastering.primaries, got.mastering.primaries, strict=True):
        assert all(abs(x - y) < Fraction(1, 20000) for x, y in zip(a, b, strict=True))
    assert got.mastering.max_luminance == given.mastering.max_luminance
    assert abs(got.mastering.min_luminance - given.mastering.min_luminance) < Fraction(1, 5000)
    assert (got.color.primaries, got.color.transfer, got.color.matrix) == (9, 16, 9)
    assert got.layout.bit_depth >= 10
    if codec in ("hevc", "h264") or extension == "mkv":
        assert got.color.chroma_location == "topleft"


@pytest.mark.parametrize(
    ("clip", "extension", "pix_fmt"),
    [
        ("ten_bit", "mkv", "yuv420p10le"),
        ("four_two_two", "mp4", "yuv422p"),
        ("gray", "mkv", "gray10le"),
        ("rgb", "mkv", "gbrp"),
        ("full_range", "mp4", "yuv420p"),
    ],
)
def test_depth_chroma_and_range_are_kept(run: Any, clips: Clips, clip: str, extension: str, pix_fmt: str) -> None:
    output, _ = run(clip, extension)
    given, got = probe_media(clips(clip)).video, probe_media(output).video
    if clip != "gray":  # FFmpeg's decoders may show monochrome as 4:2:0
        assert got.layout.name == pix_fmt
    assert got.layout.bit_depth == given.layout.bit_depth
    assert got.color.full_range == given.color.full_range
    assert (got.color.primaries, got.color.transfer) == (given.color.primaries, given.color.transfer)


def test_alpha_is_kept(run: Any) -> None:
    output, _ = run("alpha", "mov", speed=None)
    video = probe_media(output).video
    assert video.layout.has_alpha
    [frame] = first_frames(output, 1)
    alpha = planes_of(frame)[-1].astype(float) / video.layout.peak
    assert abs(alpha.mean() - 0.6) < 0.01


def test_alpha_that_the_decoder_does_not_give_is_named(run: Any, clips: Clips, tmp_path: Path) -> None:
    options = ("-c:v", "libvpx-vp9", "-auto-alt-ref", "0", "-deadline", "realtime", "-cpu-used", "8")
    half = "format=rgba,colorchannelmixer=aa=0.6"
    source = encode(tmp_path / "alpha.webm", scene(6), *options, pix_fmt="yuva420p", vf=half)
    output, manifest = run(source, "mkv")
    [named] = manifest["output"]["dropped"]
    assert named.startswith("alpha channel: the decoder of vp9")
    assert "alpha_mode" not in {key.lower() for key in read_plain(output).video.tags}
    assert not probe_media(clips("vp9")).video.drops_alpha


_CAPTION_SEI = bytes.fromhex("000001 06 04 0e b5 0031 47413934 03 41 ff fc 9420 ff 80".replace(" ", ""))
"""An SEI message of H.264: registered data of ATSC (A/53 part 4) with one pair of caption bytes."""
_DELIMITER, _DELIMITER_BYTES = b"\0\0\0\1\x09", 1  # an access unit delimiter and its one byte of payload


@pytest.mark.parametrize("at_frame", [0, 17])
def test_captions_inside_the_video_are_named(run: Any, tmp_path: Path, at_frame: int) -> None:
    raw = encode(tmp_path / "plain.h264", scene(24), *X264[:-2], "-bf", "0", "-x264-params", "aud=1:slices=1:threads=1")
    units = raw.read_bytes().split(_DELIMITER)[1:]
    units[at_frame] = units[at_frame][:_DELIMITER_BYTES] + _CAPTION_SEI + units[at_frame][_DELIMITER_BYTES:]
    raw.write_bytes(b"".join(_DELIMITER + unit for unit in units))
    source = tmp_path / "captions.mp4"
    ffmpeg("-r", "25", "-i", str(raw), "-c", "copy", str(source))
    _, manifest = run(source)
    [named] = manifest["output"]["dropped"]
    assert named.startswith("closed captions (EIA-608/708)")


def test_untagged_colour_is_tagged_as_assumed(run: Any) -> None:
    output, manifest = run("plain", "mp4", scale=8)
    color = probe_media(output).video.color
    assert (color.primaries, color.transfer, color.matrix) == (6, 6, 6), "no player may take it for BT.709"
    assert any("BT.601" in text for text in manifest["assumptions"])


@pytest.mark.parametrize(("extension", "codec"), [("mov", "ffv1"), ("mkv", "ffv1"), ("mov", "prores"), ("mp4", None)])
def test_a_single_frame_lasts_and_is_shown(run: Any, tmp_path: Path, extension: str, codec: str | None) -> None:
    """A track of no length is none to its readers."""
    output, _ = run(encode(tmp_path / "one.mp4", scene(1), *X264), extension, codec=codec)
    assert len(first_frames(output)) == 1
