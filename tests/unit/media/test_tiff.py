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
