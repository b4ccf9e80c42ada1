"""Chunks that claim more than the file holds are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from vsr.errors import InputError
from vsr.media.webp import read_webp


def test_a_claim_of_four_gigabytes_is_not_allocated(tmp_path: Path) -> None:
    file = tmp_path / "claims.webp"
    file.write_bytes(b"RIFF" + struct.pack("<I", 0xFFFFFFF0) + b"WEBPVP8 " + struct.pack("<I", 0xFFFFFF00) + b"\0" * 40)
    with pytest.raises(InputError, match="without any image"):
        read_webp(file)
