"""Words in image files, read by Pillow and ffmpeg; the samples stay what they were."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsr.frames import ColorSpec
from vsr.media.codecs import CODECS
from vsr.media.encode import EncoderSpec, encode_image
from vsr.media.ffmpeg import run_ffmpeg
from vsr.media.image_text import ImageText, with_text
from vsr.media.images import read_samples
from vsr.media.layouts import LAYOUTS

TEXT = ImageText("vsr 1.2.3", "still: recorded frames; no generative model took part")
COLOR = ColorSpec(1, 13, 0, full_range=True)


def _image(codec: str, layout: str) -> bytes:
    rng = np.random.default_rng(4)
    spec = EncoderSpec(
        CODECS[codec], LAYOUTS[layout], COLOR, 37, 23, Fraction(1, 25), Fraction(25), Fraction(1), None, "", 1
    )
    planes = []
    for _ in range(LAYOUTS[layout].num_planes):
        if LAYOUTS[layout].is_float:
            planes.append(rng.random((23, 37)).astype(np.float32))
        else:
            kind = np.uint8 if LAYOUTS[layout].bit_depth <= 8 else np.uint16
            planes.append(rng.integers(0, 1 << LAYOUTS[layout].bit_depth, (23, 37)).astype(kind))
    return encode_image(tuple(planes), spec)


CASES = [
    *(("png", layout) for layout in CODECS["png"].layouts),
    *(("tiff", layout) for layout in CODECS["tiff"].layouts),
    *(("dpx", layout) for layout in CODECS["dpx"].layouts),
    *(("exr", layout) for layout in CODECS["exr"].layouts),
]


@pytest.mark.parametrize(("codec", "layout"), CASES)
def test_samples_stay(codec: str, layout: str, tmp_path: Path) -> None:
    plain = _image(codec, layout)
    worded = with_text(plain, TEXT)
    assert worded != plain
    for part in (TEXT.software, TEXT.comment):
        assert part.encode() in worded
    before, after = tmp_path / f"before.{codec}", tmp_path / f"after.{codec}"
    before.write_bytes(plain)
    after.write_bytes(worded)
    for one, other in zip(read_samples(before), read_samples(after), strict=True):
        assert np.array_equal(one, other)
    decoded = [
        run_ffmpeg(["-v", "error", "-i", str(path), "-f", "framemd5", "-"]).stdout.splitlines()[-1]
        for path in (before, after)
    ]
    assert decoded[0] == decoded[1]
    assert decoded[0].startswith("0,")


def test_pillow_reads_them(tmp_path: Path) -> None:
    png, tiff = tmp_path / "x.png", tmp_path / "x.tif"
    png.write_bytes(with_text(_image("png", "gbrp16le"), TEXT))
    tiff.write_bytes(with_text(_image("tiff", "gbrp"), TEXT))
    with Image.open(png) as opened:
        opened.load()
        assert opened.text == {"Software": TEXT.software, "Comment": TEXT.comment}
    with Image.open(tiff) as opened:
        opened.load()
        assert opened.tag_v2[305] == TEXT.software
        assert opened.tag_v2[270] == TEXT.comment


def test_ffmpeg_tells_them_of_exr(tmp_path: Path) -> None:
    path = tmp_path / "x.exr"
    path.write_bytes(with_text(_image("exr", "gbrpf32le"), TEXT))
    log = run_ffmpeg(["-i", str(path), "-f", "null", "-"]).stderr
    assert "Error" not in log
    assert hashlib.sha256(path.read_bytes()).hexdigest()


def test_other_files_stay_as_they_are() -> None:
    assert with_text(b"BM something else", TEXT) == b"BM something else"
