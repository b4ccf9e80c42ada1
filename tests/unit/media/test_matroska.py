"""What is added to the header of Matroska: checked by searching for the elements' bytes, and by reading the file."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from plain_reader import read_plain
from videos import encode, scene

from vsr.media.matroska import complete_header

_SEEK_HEAD, _INFO, _TRACKS = b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b"
_CLUSTER = b"\x1f\x43\xb6\x75"
_UID, _DISPLAY_UNIT, _SEGMENT = b"\x73\xa4\x90", b"\x54\xb2\x81", b"\x18\x53\x80\x67"
_FFV1 = ("-c:v", "ffv1", "-fflags", "+bitexact", "-f", "matroska")


def _make(path: Path, *options: str, seed: int = 1) -> Path:
    return encode(path, scene(4, 64, 48, seed=seed), *_FFV1, *options)


def _check_sum(data: bytes, number: bytes) -> None:
    """The CRC-32 at the start of an element whose size has one or two bytes."""
    place = data.rindex(number, 0, data.index(_CLUSTER)) + 4  # the seek head names it before
    width = 1 if data[place] & 0x80 else 2
    size = int.from_bytes(data[place : place + width], "big") & (0x7F if width == 1 else 0x3FFF)
    body = data[place + width : place + width + size]
    assert body[:2] == b"\xbf\x84"
    assert zlib.crc32(body[6:]).to_bytes(4, "little") == body[2:6]


@pytest.mark.parametrize("title", ["", "A title of a film. " * 8])  # with that the size takes two bytes
def test_a_uid_and_square_pixels(tmp_path: Path, title: str) -> None:
    path = _make(tmp_path / "a.mkv", "-metadata", f"title={title}")
    data, packets = path.read_bytes(), read_plain(path).video.payloads
    assert _UID not in data
    assert data[data.index(_DISPLAY_UNIT) + 3] == 4
    assert complete_header(path)
    done = path.read_bytes()
    assert (len(done), done.count(_UID), done[done.index(_DISPLAY_UNIT) + 3]) == (len(data), 1, 0)
    for number in (_SEEK_HEAD, _INFO, _TRACKS):
        _check_sum(done, number)
    beginning = done.index(_SEGMENT) + 12
    entry = done.index(b"\x53\xab\x84" + _INFO) + 7
    width = done[entry + 2] & 0x7F
    assert done[entry : entry + 2] == b"\x53\xac"
    position = int.from_bytes(done[entry + 3 : entry + 3 + width], "big")
    assert done[beginning + position :].startswith(_INFO)
    assert read_plain(path).video.payloads == packets


def test_the_uid_is_the_files_own(tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        path = _make(tmp_path / f"{name}.mkv", seed=seed)
        complete_header(path)
        data = path.read_bytes()
        place = data.index(_UID) + len(_UID)
        found.append(data[place : place + 16])
    assert found[0] == found[1] != found[2]


def test_what_has_another_form_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for data in (b"", b"no matroska", _make(tmp_path / "a.mkv").read_bytes()[:150]):
        path = tmp_path / "b.mkv"
        path.write_bytes(data)
        assert not complete_header(path)
        assert path.read_bytes() == data
    assert "has no SegmentUID" in caplog.text
