"""Images for looking at, against what ffmpeg shows."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.damage import Damage
from vsr.media.display import Box, displayed, resized, shown, upright
from vsr.media.ffmpeg import ffmpeg_path
from vsr.media.layouts import LAYOUTS
from vsr.media.probe import MediaInfo
from vsr.media.reading import view
from vsr.media.small_clip import encode_small_clip

Clips, Probed = Callable[[str], Path], Callable[[str], MediaInfo]


@pytest.mark.parametrize("name", ["plain", "ten_bit", "rgb", "full_range", "rotated", "mirrored"])
def test_it_looks_as_ffmpeg_shows_it(clips: Clips, probed: Probed, name: str) -> None:
    info = probed(name)
    _, frame = next(view(info, 1, Damage()))
    ours = upright(displayed(frame, info.video.color), info.video.display)
    matrix = {1: "bt709", 5: "bt601", 6: "bt601", 0: "bt709"}[info.video.color.matrix]
    scale = f"scale=in_color_matrix={matrix}:flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic"
    command = [ffmpeg_path(), "-v", "error", "-i", str(clips(name)), "-frames:v", "1", "-vf", scale]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    theirs = np.frombuffer(raw, np.uint8).reshape(ours.shape)
    assert np.abs(ours.astype(int) - theirs).mean() < 2.0


def test_a_part_is_that_part(probed: Probed) -> None:
    info = probed("plain")
    _, frame = next(view(info, 1, Damage()))
    whole = displayed(frame, info.video.color)
    part = displayed(frame, info.video.color, Box(8, 20, 31, 45))
    assert part.shape == (31, 45, 3)
    inner = (slice(4, -4), slice(4, -4))
    assert np.array_equal(part[inner], whole[8:39, 20:65][inner])


@pytest.mark.parametrize("transfer", [16, 18, 8])
def test_hdr_keeps_its_order_and_reaches_neither_end_early(transfer: int) -> None:
    codes = torch.linspace(0, 1, 64).repeat(4, 1)
    image = VideoFrame((codes,) * 3, LAYOUTS["gbrpf32le"], ColorSpec(9, transfer, 0, True), 0, 0, Fraction(1))
    row = shown(image)[0].astype(int)
    assert np.all(np.diff(row.mean(1)) >= 0)
    assert row[0].max() <= 2
    assert row[-1].min() >= 240
    assert np.abs(row - row.mean(1, keepdims=True)).max() <= 3  # grey stays grey


def test_resizing_keeps_flat_areas() -> None:
    assert np.array_equal(resized(np.full((20, 30, 3), 77, np.uint8), 13, 41), np.full((13, 41, 3), 77, np.uint8))


def test_a_small_clip_has_its_times_and_stays_small() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (64, 96, 3)).astype(np.uint8) for _ in range(50)]
    times = [Fraction(n * n, 100) for n in range(50)]
    data = encode_small_clip(zip(times, images, strict=True), Fraction(25), bits_per_second=100_000)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert [frame.pts * stream.time_base for frame in container.decode(stream)] == times
    assert len(data) < 1.4 * 100_000 / 8 * float(times[-1])
    assert encode_small_clip([], Fraction(25), bits_per_second=1) == b""
