"""The table of what containers hold, against what the bundled ffmpeg really copies into them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from plain_reader import read_plain
from videos import ffmpeg

from vsr.media.containers import holders, holds
from vsr.media.probe import StreamInfo

FORMATS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska"}


def _stream(kind: str, codec: str) -> StreamInfo:
    return StreamInfo(1, kind, codec, Fraction(1, 1000), 0)


@pytest.mark.parametrize("codec", ["aac", "ac3", "eac3", "mp2", "libmp3lame", "flac", "libopus", "pcm_s16le", "alac"])
def test_audio_that_is_held_can_be_copied(tmp_path: Path, codec: str) -> None:
    source = tmp_path / "sound.mkv"
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.3:r=48000", "-c:a", codec, str(source))
    _check_copies(source, "audio", tmp_path)


def test_sound_and_video_of_phones_that_are_held_can_be_copied(tmp_path: Path) -> None:
    sound, image = tmp_path / "sound.3gp", tmp_path / "image.3gp"
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.3:r=8000", "-ac", "1", "-c:a", "libopencore_amrnb", str(sound))
    _check_copies(sound, "audio", tmp_path)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=176x144:d=0.2", "-c:v", "h263", str(image))
    _check_copies(image, "video", tmp_path)


def _check_copies(source: Path, kind: str, tmp_path: Path) -> None:
    """Every container that holds the one stream of ``source`` takes it, and gives it back."""
    [given] = read_plain(source).streams
    assert holds("mkv", _stream(kind, given.codec))
    for container, form in FORMATS.items():
        if holds(container, _stream(kind, given.codec)):
            target = tmp_path / f"copy.{container}"
            ffmpeg("-i", str(source), "-c", "copy", "-f", form, str(target))
            assert read_plain(target).streams[0].payloads == given.payloads


@pytest.mark.parametrize(
    ("container", "kind", "codec", "expected"),
    [
        ("mp4", "audio", "aac", True),
        ("mp4", "audio", "vorbis", True),
        ("mp4", "audio", "amr_nb", False),
        ("mp4", "audio", "amr_wb", False),
        ("mov", "audio", "amr_wb", True),
        ("mp4", "video", "h263", False),
        ("mov", "video", "h263", True),
        ("mov", "audio", "opus", False),
        ("mov", "audio", "pcm_s24le", True),
        ("mkv", "audio", "pcm_s16be", True),
        ("mp4", "subtitle", "subrip", False),
        ("mp4", "subtitle", "mov_text", True),
        ("mkv", "subtitle", "mov_text", False),
        ("mkv", "subtitle", "ass", True),
        ("mkv", "subtitle", "hdmv_pgs_subtitle", True),
        ("mp4", "subtitle", "ass", False),
        ("mkv", "attachment", "unknown", True),
        ("mp4", "attachment", "unknown", False),
        ("mp4", "cover", "mjpeg", True),
        ("mkv", "data", "timecode", False),
        ("mov", "data", "timecode", True),
        ("mp4", "data", "timecode", False),
        ("mkv", "data", "unknown", False),
        ("mkv", "video", "h264", True),
        ("mov", "video", "vp9", False),
    ],
)
def test_decisions(container: str, kind: str, codec: str, expected: bool) -> None:
    assert holds(container, _stream(kind, codec)) is expected


def test_who_holds_what() -> None:
    assert holders(_stream("data", "klv")) == ()
    assert holders(_stream("subtitle", "mov_text")) == ("mov", "mp4")
    assert holders(_stream("subtitle", "ass")) == ("mkv",)
