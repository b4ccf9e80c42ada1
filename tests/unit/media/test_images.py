"""What images of a sequence say of themselves, and what they are taken for where they do not say it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from videos import ffmpeg

from vsr.media.images import probe_images


@pytest.mark.parametrize(
    ("suffix", "pix_fmt", "full"),
    [
        ("png", "gray", True),
        ("tif", "gray", True),
        ("tif", "gray16le", True),
        ("jpg", "gray", True),
        ("jpg", "yuvj420p", True),
        ("tif", "yuv420p", False),
        ("tif", "rgb24", True),
    ],
)
def test_range_of_samples(tmp_path: Path, suffix: str, pix_fmt: str, *, full: bool) -> None:
    """Grey TIFFs do not say that 0 is black; everything that shows them takes them so, as it takes PNGs."""
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:d=0.1", "-pix_fmt", pix_fmt, str(tmp_path / f"%04d.{suffix}"))
    assert probe_images(tmp_path, Fraction(25)).video.color.full_range is full
