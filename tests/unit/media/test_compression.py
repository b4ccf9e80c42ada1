"""Clips through an encoder and a decoder in memory."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from videos import scene

from vsr.errors import UsageError
from vsr.media.compression import CODECS, LUMA_CODECS, compress, compress_luma, compress_ycbcr

SMALL = """
import numpy as np
from vsr.media.compression import compress
rng = np.random.default_rng(0)
for number in range(60):
    frames = [rng.integers(0, 255, (36, 50, 3), dtype=np.uint8) for _ in range(3)]
    compress(frames, "hevc", float(rng.uniform(18, 38)))
"""


@pytest.mark.parametrize("codec", CODECS)
def test_size_and_order_are_kept_and_results_repeat(codec: str) -> None:
    frames = list(scene(4, 51, 37))
    first, again = compress(frames, codec, 20), compress(frames, codec, 20)
    assert [image.shape for image in first] == [(37, 51, 3)] * 4
    for number, image in enumerate(first):
        assert np.array_equal(image, again[number])
        errors = [np.abs(image.astype(float) - true).mean() for true in frames]
        assert int(np.argmin(errors)) == number


FILLED = """
import hashlib
import cv2
import numpy as np
from vsr.media.compression import CODECS, compress
rng = np.random.default_rng(0)
coarse = rng.integers(0, 256, (12, 16, 3)).astype(np.uint8)
for width, height in ((144, 144), (96, 64), (51, 37)):
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    moved = [np.roll(image, 1 + 2 * n, (0, 1)) + rng.integers(-6, 7, image.shape) for n in range(5)]
    frames = [np.clip(one, 0, 255).astype(np.uint8) for one in moved]
    for codec in CODECS:
        for quality in (20, 20, 28):
            print(width, codec, quality, hashlib.md5(np.stack(compress(frames, codec, quality)).tobytes()).hexdigest())
"""


def test_nothing_is_read_that_was_not_written() -> None:
    """x264 does so in its AVX-512 code, x265 in images of 64 pixels or fewer."""
    digests = set()
    for filling in ("0", "1", "90"):  # glibc fills what it hands out with this byte's complement
        command, env = [sys.executable, "-c", FILLED], os.environ | {"MALLOC_PERTURB_": filling}
        digests.add(subprocess.run(command, env=env, check=True, capture_output=True, timeout=120).stdout)
    assert len(digests) == 1


def test_small_frames_do_no_harm_to_memory() -> None:
    """x265 writes past its buffers at some sizes; that ends the process, or shows much later."""
    subprocess.run([sys.executable, "-c", SMALL], check=True, timeout=120)


def test_what_cannot_be_is_refused() -> None:
    frames = list(scene(1, 32, 32))
    with pytest.raises(UsageError, match="known: h264"):
        compress(frames, "vp9", 20)
    with pytest.raises(UsageError, match="from 0 to 51"):
        compress(frames, "h264", 60)


def test_fine_chroma_comes_back_finer_than_coarse() -> None:
    """A chessboard in Cb: 4:4:4 keeps it, 4:2:0 has none; a higher crf leaves more error; nothing is drawn."""
    board = np.indices((37, 51)).sum(0) % 2 * 40 + 108
    planes = np.stack([np.full((37, 51), 120), board, np.full((37, 51), 128)])[None].repeat(2, 0).astype(np.uint8)
    errors = {}
    for crf in (4, 16, 44):
        made = compress_ycbcr(planes, crf)
        assert made.shape == planes.shape
        assert made.dtype == np.uint8
        assert np.array_equal(made, compress_ycbcr(planes, crf))
        errors[crf] = np.abs(made[:, 1].astype(float) - planes[:, 1]).mean()
    assert errors[4] < 4
    assert errors[4] <= errors[16] < errors[44]
    with pytest.raises(UsageError, match="from 0 to 51"):
        compress_ycbcr(planes, 52)


@pytest.mark.parametrize("codec", CODECS)
def test_neither_darker_nor_lighter(codec: str) -> None:
    """Conversion to YCbCr and back is rounded, not cut: flat grey stays, an image keeps its mean to half a code."""
    grey = np.full((64, 64, 3), 125, np.uint8)
    assert np.abs(compress([grey] * 3, codec, 10)[1].astype(int) - 125).max() <= 1
    frames = list(scene(3, 96, 64, seed=2))
    through = compress(frames, codec, 12)
    assert abs(np.mean([made.astype(float) - true for made, true in zip(through, frames, strict=True)])) < 0.6


def _lumas(count: int, width: int, height: int, *, full_range: bool = False) -> np.ndarray:
    """``(T, H, W)``: green of a scene, in video or full range."""
    frames = np.stack(scene(count, width, height))[..., 1].astype(float)
    return (frames if full_range else 16 + frames * 219 / 255).round().astype(np.uint8)


@pytest.mark.parametrize("codec", LUMA_CODECS)
@pytest.mark.parametrize("full_range", [False, True])
def test_luma_keeps_its_code_values(codec: str, full_range: bool) -> None:
    """No codec stretches video range to full range or back (Motion JPEG does, if FFmpeg is let); order is kept."""
    planes = _lumas(4, 99, 75, full_range=full_range)
    shown = compress_luma(planes, codec, 12 if codec in ("h264", "hevc") else 2)
    slope, _ = np.polyfit(planes.astype(float).ravel(), shown.astype(float).ravel(), 1)
    assert shown.shape == planes.shape
    assert abs(slope - 1) < 0.01
    assert abs(float(shown.mean()) - float(planes.mean())) < 0.5
    for number, plane in enumerate(shown):
        errors = [np.abs(plane.astype(float) - true).mean() for true in planes]
        assert int(np.argmin(errors)) == number
    assert np.array_equal(shown, compress_luma(planes, codec, 12 if codec in ("h264", "hevc") else 2))


@pytest.mark.parametrize("codec", LUMA_CODECS)
def test_luma_loses_more_where_quality_is_worse(codec: str) -> None:
    planes = _lumas(4, 96, 64)
    qualities = (16, 26, 36) if codec in ("h264", "hevc") else (2, 6, 12)
    losses = [float(np.square(compress_luma(planes, codec, one).astype(float) - planes).mean()) for one in qualities]
    assert losses[0] < 0.7 * losses[1] < 0.5 * losses[2]


def test_luma_that_cannot_be_compressed_so_is_refused() -> None:
    planes = _lumas(1, 32, 32)
    for codec, quality, hint in (("vp9", 20, "mjpeg"), ("h264", 52, "from 0 to 51"), ("mjpeg", 0.5, "from 1 to 31")):
        with pytest.raises(UsageError, match=hint):
            compress_luma(planes, codec, quality)
