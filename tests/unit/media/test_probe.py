"""What is read from files: tags, assumptions, HDR, siting, rotation, rates; checked on files made to measure."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from videos import X264, encode, ffmpeg, scene

from vsr.frames import ColorSpec
from vsr.media.color import chroma_location, complete_color, luma_weights
from vsr.media.hdr import ContentLight, DisplayTransform
from vsr.media.images import probe_images
from vsr.media.layouts import LAYOUTS
from vsr.media.probe import MediaInfo, probe_media
from vsr.media.safe_open import describe_streams

Probed = Callable[[str], MediaInfo]
_UNTAGGED = ColorSpec()


def test_hdr_metadata_is_read(probed: Probed) -> None:
    video = probed("hdr").video
    assert video.content_light == ContentLight(987, 321)
    mastering = video.mastering
    assert mastering is not None
    assert mastering.primaries[0] == (Fraction(34000, 50000), Fraction(16000, 50000))
    assert mastering.primaries[1] == (Fraction(13250, 50000), Fraction(34500, 50000))
    assert mastering.primaries[2] == (Fraction(7500, 50000), Fraction(3000, 50000))
    assert mastering.white_point == (Fraction(15635, 50000), Fraction(16450, 50000))
    assert (mastering.max_luminance, mastering.min_luminance) == (1000, Fraction(5, 1000))
    assert (video.color.primaries, video.color.transfer, video.color.matrix) == (9, 16, 9)
    assert video.color.chroma_location == "topleft"
    assert not video.assumptions


def test_mastering_display_is_written_as_it_was_read(probed: Probed) -> None:
    from videos import MASTER_DISPLAY

    mastering = probed("hdr").video.mastering
    assert mastering is not None
    assert mastering.x265() == MASTER_DISPLAY
    assert mastering.svt() == (
        "G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)L(1000.0000,0.0050)"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), DisplayTransform()),
        (("-display_rotation", "90"), DisplayTransform(90)),
        (("-display_rotation", "-90"), DisplayTransform(-90)),
        (("-display_rotation", "180"), DisplayTransform(180)),
        (("-display_rotation", "0", "-display_hflip"), DisplayTransform(0, mirrored=True)),
        (("-display_rotation", "90", "-display_hflip"), DisplayTransform(90, mirrored=True)),
    ],
)
def test_the_display_transform_is_read(
    clips: Callable[[str], Path], tmp_path: Path, options: tuple[str, ...], expected: DisplayTransform
) -> None:
    path = tmp_path / "turned.mp4"
    ffmpeg(*options, "-i", str(clips("plain")), "-c", "copy", str(path))
    found = probe_media(path).video.display
    assert found.mirrored == expected.mirrored
    assert (found.rotation - expected.rotation) % 360 == 0


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, DisplayTransform()), (6, DisplayTransform(-90)), (5, DisplayTransform(-90, mirrored=True))],
)
def test_images_of_cameras_are_turned_as_they_say(tmp_path: Path, orientation: int, expected: DisplayTransform) -> None:
    """EXIF, which PyAV has no name for: in a sequence of images, a video of them, and a single one."""
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(_camera_jpeg(orientation))
    video, single = tmp_path / "v.mov", tmp_path / "v.jpg"
    ffmpeg("-framerate", "25", "-i", str(tmp_path / "%d.jpg"), "-c", "copy", str(video))
    assert probe_images(tmp_path / "%d.jpg", Fraction(25)).video.display == expected
    shutil.copy(tmp_path / "0.jpg", single)
    assert probe_media(video).video.display == expected
    assert probe_media(single).video.display == expected


def _camera_jpeg(orientation: int) -> bytes:
    """An image with EXIF that holds its orientation alone (tag 0x112 of EXIF 2.32)."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("place", ["left", "center", "topleft", "top", "bottomleft", "bottom"])
def test_chroma_location_is_read(tmp_path: Path, place: str) -> None:
    number = ("left", "center", "topleft", "top", "bottomleft", "bottom").index(place)
    path = encode(tmp_path / "sited.mp4", scene(3), *X264, "-x264-params", f"chromaloc={number}")
    assert chroma_location(describe_streams(path)[0]) == place
    assert probe_media(path).video.color.chroma_location == place


def test_a_file_name_cannot_pass_for_a_chroma_location(tmp_path: Path) -> None:
    """The stream line of the log is searched, not the file's name or title."""
    folder = tmp_path / "Stream #0:0 Video: (topleft)"
    folder.mkdir()
    path = encode(folder / "(topleft).mp4", scene(3), *X264, "-metadata", "title=Stream #0:0: Video: (top, topleft)")
    assert chroma_location(describe_streams(path)[0]) in ("unspecified", "left")


@pytest.mark.parametrize(
    ("tagged", "layout", "codec", "size", "expected"),
    [
        (_UNTAGGED, "yuv420p", "h264", (640, 480), (6, 6, 6, False, "left")),
        (_UNTAGGED, "yuv420p", "h264", (720, 576), (5, 6, 5, False, "left")),
        (_UNTAGGED, "yuv420p", "h264", (352, 288), (5, 6, 5, False, "left")),
        (_UNTAGGED, "yuv420p", "h264", (1280, 720), (1, 1, 1, False, "left")),
        (_UNTAGGED, "yuv420p", "h264", (1920, 540), (1, 1, 1, False, "left")),
        (_UNTAGGED, "yuv420p", "mjpeg", (640, 480), (6, 6, 6, False, "center")),
        (_UNTAGGED, "yuv420p", "mpeg1video", (352, 240), (6, 6, 6, False, "center")),
        (_UNTAGGED, "yuv444p", "h264", (1280, 720), (1, 1, 1, False, "unspecified")),
        (_UNTAGGED, "gbrp", "ffv1", (1280, 720), (1, 13, 0, True, "unspecified")),
        (ColorSpec(matrix=9), "yuv420p10le", "hevc", (3840, 2160), (9, 14, 9, False, "left")),
        (ColorSpec(matrix=1), "yuv420p", "h264", (320, 240), (1, 1, 1, False, "left")),
        (ColorSpec(9, 16, 9, False, "topleft"), "yuv420p10le", "hevc", (64, 64), (9, 16, 9, False, "topleft")),
        (ColorSpec(full_range=True), "yuv420p", "h264", (640, 480), (6, 6, 6, True, "left")),
    ],
)
def test_colour_is_completed(
    tagged: ColorSpec, layout: str, codec: str, size: tuple[int, int], expected: tuple[int, int, int, bool, str]
) -> None:
    found, assumptions = complete_color(tagged, LAYOUTS[layout], codec, *size)
    assert (found.primaries, found.transfer, found.matrix, found.full_range, found.chroma_location) == expected
    assert bool(assumptions) == (found != tagged)


def test_a_complete_tag_needs_no_assumption() -> None:
    tagged = ColorSpec(1, 1, 1, full_range=False, chroma_location="left")
    assert complete_color(tagged, LAYOUTS["yuv420p"], "h264", 64, 48) == (tagged, ())


@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9, 10])
def test_luma_weights_are_a_partition(matrix: int) -> None:
    kr, kb = luma_weights(matrix)
    assert 0 < kb < kr < 1 - kr - kb


def test_rates_and_counts(probed: Probed) -> None:
    assert probed("ntsc").video.average_rate == Fraction(30000, 1001)
    assert probed("cfr").video.num_frames_from_header == 60
    vfr = probed("vfr").video
    assert vfr.num_frames_from_header == 90
    assert vfr.average_rate is not None
    assert vfr.average_rate < 25


def test_streams_tags_and_chapters(probed: Probed) -> None:
    info = probed("rich")
    assert [stream.kind for stream in info.streams] == ["video", *["audio"] * 2, *["subtitle"] * 2, "attachment"]
    assert [stream.language for stream in info.streams[1:4]] == ["eng", "deu", "fra"]
    assert info.num_chapters == 2
    assert info.metadata["title"] == "All sorts"


def test_interlacing_sar_timecode_alpha(probed: Probed) -> None:
    assert probed("interlaced").video.interlaced
    assert probed("interlaced").video.field_order == "top first"
    assert not probed("cfr").video.interlaced
    assert probed("sar").video.sample_aspect_ratio == Fraction(16, 11)
    assert probed("timecode").video.timecode == "01:02:03:04"
    assert probed("alpha").video.layout.has_alpha
    assert probed("full_range").video.color.full_range


def test_a_transport_stream_starts_where_its_clock_does(probed: Probed) -> None:
    info = probed("mpeg2_ts")
    assert info.container == "mpegts"
    assert 36001 < info.start < 36005


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.ts"])
def test_a_late_start_is_no_part_of_the_length(tmp_path: Path, name: str) -> None:
    """FFmpeg writes the end of the last frame as the duration of Matroska: a day and more, for six frames."""
    info = probe_media(encode(tmp_path / name, scene(6, 64, 48), *X264, "-output_ts_offset", "90000"))
    assert info.start >= 90000
    assert info.duration == Fraction(6, 25)
    assert info.video.num_frames_from_header == 6


def test_a_cover_image_is_not_the_video(clips: Callable[[str], Path], tmp_path: Path) -> None:
    cover = tmp_path / "cover.png"
    encode(cover, scene(1, 200, 200), "-frames:v", "1", "-update", "1", pix_fmt="rgb24")
    path = tmp_path / "covered.mp4"
    both = ("-i", str(cover), "-i", str(clips("cfr")))
    ffmpeg(*both, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", str(path))
    info = probe_media(path)
    assert (info.video.width, info.video.height) == (96, 64)
    assert [stream.kind for stream in info.streams].count("cover") == 1
