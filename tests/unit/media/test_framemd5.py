"""Checksums against those of the bundled ffmpeg, line by line."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from vsr.errors import InputError
from vsr.media.damage import Damage
from vsr.media.ffmpeg import run_ffmpeg
from vsr.media.framemd5 import Checksum, ChecksumFile, Checksums, FrameHasher, hash_frames, packet_checksums
from vsr.media.reading import probe, scan

Clips = Callable[[str], Path]
DECODED = (
    *("plain", "vfr", "vfr_mkv", "mpeg2_ts", "av1", "ten_bit", "four_two_two", "interlaced", "rotated", "edit_list"),
    *("gray", "rgb", "alpha", "full_range", "damaged", "damaged_ts"),
)


def _lines(text: str) -> list[str]:
    """What both must agree on: all but the names of programs and an aspect ratio that nobody knows."""
    skipped = ("#software", "#extradata", "#sar")
    return [line for line in text.splitlines() if not line.startswith(skipped)]


def _ours(path: Path) -> ChecksumFile:
    info = probe(path)
    with FrameHasher() as hasher:
        for _ in hash_frames(scan(info, 1, Damage()), hasher):
            pass
        video, rows = info.video, hasher.rows()
    return ChecksumFile(video.time_base, "rawvideo", video.width, video.height, video.sample_aspect_ratio, rows)


@pytest.mark.parametrize("name", DECODED)
def test_decoded_frames_have_ffmpegs_checksums(clips: Clips, name: str) -> None:
    """FFmpeg decodes in one thread: with more, damage may look otherwise each time."""
    path = clips(name)
    index = probe(path).video.index
    done = run_ffmpeg(
        [
            *("-v", "error", "-noautorotate", "-copyts", "-threads", "1", "-i", str(path)),
            *("-map", f"0:{index}", "-c:v", "rawvideo"),
            *("-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framemd5", "-"),
        ]
    )
    ours = "".join(_ours(path).pieces())
    assert _lines(ours) == _lines(done.stdout)
    assert len(_lines(ours)) > 10


@pytest.mark.parametrize("name", ["plain", "vfr", "open_gop_hevc", "sar", "rgb"])
def test_packets_have_ffmpegs_checksums(clips: Clips, name: str) -> None:
    path = clips(name)
    done = run_ffmpeg(["-v", "error", "-copyts", "-i", str(path), "-map", "0:v:0", "-c", "copy", "-f", "framemd5", "-"])
    assert _lines("".join(packet_checksums(path).pieces())) == _lines(done.stdout)


def test_ffmpegs_own_file_is_read(clips: Clips, tmp_path: Path) -> None:
    path = tmp_path / "of.framemd5"
    run_ffmpeg(["-v", "error", "-i", str(clips("ten_bit")), "-map", "0:v:0", "-f", "framemd5", str(path)])
    found = ChecksumFile.read(path)
    assert [row.md5 for row in found.rows] == [row.md5 for row in _ours(clips("ten_bit")).rows]
    assert (found.codec, found.width, found.height) == ("rawvideo", 96, 64)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = Checksums()
    for number in range(5):
        rows.append(Checksum(-number, 7 * number, 7, 1 << 33, bytes([number]) * 16))
    written = ChecksumFile(Fraction(1, 90000), "h264", 640, 360, Fraction(16, 15), rows)
    path = tmp_path / "x.framemd5"
    path.write_text("".join(written.pieces()), encoding="ascii")
    read = ChecksumFile.read(path)
    assert list(read.rows) == list(rows)
    assert rows[1:3] == [rows[1], rows[2]]
    assert rows[-1].md5 == b"\x04" * 16
    assert (read.time_base, read.sample_aspect_ratio) == (written.time_base, written.sample_aspect_ratio)


@pytest.mark.parametrize("text", ["", "#tb 0: 1/25\n0, 0, 0\n", "#codec_id 0: x\nnonsense"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.framemd5"
    path.write_text(text, encoding="ascii")
    with pytest.raises(InputError, match="not a file of frame checksums"):
        ChecksumFile.read(path)
