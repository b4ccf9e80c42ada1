"""Tags of TIFF in both byte orders, and files that end early or say nonsense."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest

from vsr.media.tiff import TiffHeader, read_tiff_header


def _tiff(order: str) -> bytes:
    """A directory behind the contents it refers to."""
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + 16 + 16)
    contents = b"A. Person\0".ljust(16, b"\0") + struct.pack(order + "4I", 600, 2, 600, 1)
    rows = [
        struct.pack(order + "HHI4s", 271, 2, 3, b"XY\0\0"),
        struct.pack(order + "HHII", 282, 5, 1, 24),
        struct.pack(order + "HHII", 283, 5, 1, 32),
        struct.pack(order + "HHIHH", 296, 3, 1, 3, 0),
        struct.pack(order + "HHII", 315, 2, 10, 8),
        struct.pack(order + "HHII", 33432, 7, 10, 8),  # not of the kind it should be
    ]
    return start + contents + struct.pack(order + "H", len(rows)) + b"".join(rows) + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(_tiff(order))
    expected = TiffHeader(((271, "XY"), (315, "A. Person")), resolution=(Fraction(300), Fraction(600)), unit=3)
    assert read_tiff_header(path) == expected


@pytest.mark.parametrize("order", ["<", ">"])
def test_no_cut_and_no_flipped_byte_breaks_it(tmp_path: Path, order: str) -> None:
    path, data = tmp_path / "a.tif", _tiff(order)
    for place in range(len(data)):
        path.write_bytes(data[:place])
        read_tiff_header(path)
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        read_tiff_header(path)
    path.write_bytes(b"no image")
    assert read_tiff_header(path) is None


def _with(*rows: bytes) -> bytes:
    return b"II*\0" + struct.pack("<IH", 8, len(rows)) + b"".join(rows) + bytes(4)


def test_one_bad_entry_loses_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    good = struct.pack("<HHI4s", 315, 2, 3, b"Me\0\0")
    for bad in (
        struct.pack("<HHII", 65000, 0, 0, 0),
        struct.pack("<HHII", 282, 5, 0, 0) + struct.pack("<HHII", 283, 5, 0, 0),
        struct.pack("<HHII", 296, 3, 0, 0),
    ):
        rows = [bad[place : place + 12] for place in range(0, len(bad), 12)]
        path.write_bytes(_with(*rows, good))
        assert read_tiff_header(path) == TiffHeader(((315, "Me"),))


def test_bytes_of_texts_go_on_and_are_shown_as_what_they_are(tmp_path: Path) -> None:
    """UTF-8, Latin-1, and the two parts of a copyright."""
    shown = {"Zoë".encode(): "Zoë", "Zoë".encode("latin-1"): "Zoë", b"An\0B": "An; B", b" \0B": "B", b" \0": ""}
    for content, words in shown.items():
        path = tmp_path / "a.tif"
        row = struct.pack("<HHII", 33432, 2, len(content) + 1, 26) if len(content) > 3 else None
        row = row or struct.pack("<HHI4s", 33432, 2, len(content) + 1, content + b"\0")
        path.write_bytes(_with(row) + content + b"\0")
        header = read_tiff_header(path)
        assert header is not None
        assert [text.encode("latin-1") for _, text in header.words] == ([content] if words else [])
        assert header.in_words() == ([f"copyright {words}"] if words else [])


def test_the_description_of_the_source_goes_through_two_steps(tmp_path: Path) -> None:
    path, words = tmp_path / "a.tif", b"auto x2; of the source: Reel 5\0"
    software = struct.pack("<HHII", 305, 2, 10, 38 + len(words))
    path.write_bytes(_with(struct.pack("<HHII", 270, 2, len(words), 38), software) + words + b"vsr 0.1.0\0")
    header = read_tiff_header(path)
    assert header == TiffHeader(description="Reel 5")
