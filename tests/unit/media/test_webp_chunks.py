"""Chunks that claim more than the file holds are refused."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from vsr.errors import InputError
from vsr.media.webp import read_webp


def test_a_claim_of_four_gigabytes_is_not_allocated(tmp_path: Path) -> None:
    file = tmp_path / "claims.webp"
    file.write_bytes(b"RIFF" + struct.pack("<I", 0xFFFFFFF0) + b"WEBPVP8 " + struct.pack("<I", 0xFFFFFF00) + b"\0" * 40)
    with pytest.raises(InputError, match="without any image"):
        read_webp(file)


def test_many_small_chunks_take_time_in_proportion(tmp_path: Path) -> None:
    """Four times as many take some four times as long, where joining one by one would take sixteen."""
    seconds = []
    for count in (1000, 4000):
        chunks = (b"VP8 " + struct.pack("<I", 4096) + bytes(4096)) * count
        file = tmp_path / f"{count}.webp"
        file.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks)
        times = []
        for _ in range(3):
            began = time.process_time()
            assert len(read_webp(file).frames) == 1
            times.append(time.process_time() - began)
        seconds.append(min(times))
    assert seconds[1] < 10 * seconds[0]
