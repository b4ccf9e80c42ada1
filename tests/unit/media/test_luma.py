"""Luma as other readers give it: native where possible, one code where not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_reader import first_frames, read_plain

from vsr.media.clips import read_rgb
from vsr.media.damage import Damage
from vsr.media.luma import LumaCode, common_luma, read_luma
from vsr.media.probe import MediaInfo
from vsr.metrics import luma_bt601

Clips, Probed = Callable[[str], Path], Callable[[str], MediaInfo]


@pytest.mark.parametrize("name", ["plain", "ten_bit", "gray", "full_range", "four_two_two"])
def test_native_samples_are_the_decoders(clips: Clips, probed: Probed, name: str) -> None:
    info = probed(name)
    frames = list(read_luma(info, common_luma([info]), Damage()))
    plain = first_frames(clips(name))
    assert len(frames) == len(plain)
    for number, (ours, theirs) in enumerate(zip(frames, plain, strict=True)):
        assert ours.luma.dtype == (np.uint8 if info.video.layout.bit_depth == 8 else np.uint16)
        assert (ours.ordinal, ours.seconds) == (number, theirs.pts * info.video.time_base)
        plane = theirs.planes[0]
        rows = np.frombuffer(bytes(plane), ours.luma.dtype).reshape(plane.height, -1)
        assert np.array_equal(ours.luma, rows[: theirs.height, : theirs.width])


def test_rgb_gives_the_luma_of_the_papers(clips: Clips, probed: Probed) -> None:
    info = probed("rgb")
    code = common_luma([info])
    assert (code.bit_depth, code.full_range, code.peak) == (8, False, 255)
    for ours, image in zip(read_luma(info, code, Damage()), read_rgb(clips("rgb")), strict=True):
        expected = luma_bt601(torch.from_numpy(np.array(image.transpose(2, 0, 1)))).numpy()
        assert np.abs(ours.luma - expected).max() < 1e-3


def test_depth_and_range_are_brought_together(probed: Probed) -> None:
    plain, deep, full = probed("plain"), probed("ten_bit"), probed("full_range")
    assert common_luma([plain, deep]).bit_depth == 10
    assert common_luma([plain, full]).full_range is False
    native = next(read_luma(plain, common_luma([plain]), Damage())).luma.astype(np.float64)
    as_ten = next(read_luma(plain, common_luma([deep]), Damage())).luma
    assert as_ten.dtype == np.float32
    assert np.allclose(as_ten, 4 * native)
    as_full = next(read_luma(plain, LumaCode(8, True, 1), Damage())).luma
    assert np.allclose(as_full, (native - 16) * 255 / 219, atol=1e-3)


def test_times_are_exact(clips: Clips, probed: Probed) -> None:
    info = probed("vfr")
    times = [frame.seconds for frame in read_luma(info, common_luma([info]), Damage())]
    assert all(isinstance(time, Fraction) for time in times)
    assert times == read_plain(clips("vfr")).video.seconds
    assert len({after - before for before, after in pairwise(times)}) > 5, "the clip's rate hardly varies"
