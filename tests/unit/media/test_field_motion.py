"""Rows filled along the motion: against what was there, against bwdif, and wherever a run is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vsr.frames import PixelLayout
from vsr.media.combing import Fields
from vsr.media.deinterlace import DEINTERLACE_CONTEXT, Deinterlacer, deinterlace
from vsr.media.field_motion import Moment, fill_rows
from vsr.media.layouts import layout_for
from vsr.media.planes import frame_from_planes, planes_of

Images = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def scene(count: int, *, rows: float, columns: float, size: tuple[int, int] = (64, 96)) -> Images:
    """``(N, H, W)``: texture, the finer the weaker, that moves so far a moment."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    waves = [(*rng.uniform(-0.2, 0.2, 2), rng.uniform(0, 6)) for _ in range(60)]
    images = []
    for n in range(count):
        down, right = y - rows * n, x - columns * n
        total = sum(np.sin(2 * np.pi * (a * down + b * right) + phase) / np.hypot(a, b) for a, b, phase in waves)
        images.append(128 + total)
    return np.stack(images).round().clip(0, 255).astype(np.uint8)


def woven(moments: NDArray[Any], *, top_first: bool = True) -> NDArray[Any]:
    first, second = (0, 1) if top_first else (1, 0)
    video = moments[0::2].copy()
    video[:, second::2] = moments[1::2][:, second::2]
    assert np.array_equal(video[:, first::2], moments[0::2][:, first::2])
    return video


def planes_like(luma: Images, layout: PixelLayout) -> list[NDArray[np.generic]]:
    """``(N, h, w)`` codes of each plane; chroma, where there is any, is ``luma`` made small."""
    rows, columns = 1 << layout.chroma_shift_y, 1 << layout.chroma_shift_x
    count, height, width = luma.shape
    small = luma.reshape(count, height // rows, rows, width // columns, columns).mean((2, 4))
    kind = np.uint8 if layout.bit_depth == 8 else np.uint16
    return [np.rint(one * (layout.peak / 255)).astype(kind) for one in [luma, small, small][: layout.num_planes]]


def frames_of(planes: Sequence[NDArray[np.generic]], layout: PixelLayout) -> list[av.VideoFrame]:
    frames = []
    for number, images in enumerate(zip(*planes, strict=True)):
        frames.append(frame_from_planes(images, layout, images[0].shape[1], images[0].shape[0]))
        frames[-1].pts, frames[-1].time_base = number, Fraction(1, 25)
    return frames


def made(
    video: NDArray[np.generic] | Sequence[NDArray[np.generic]],
    by: Deinterlacer,
    *,
    name: str = "gray",
    order: Fields | Sequence[Fields] = "top first",
    only_interlaced: bool = False,
) -> list[tuple[NDArray[np.generic], ...]]:
    """Planes of one image a field; ``video`` has one plane, or is a list of planes."""
    frames_in = frames_of([video] if isinstance(video, np.ndarray) else video, layout_for(name))
    orders = [order] * len(frames_in) if isinstance(order, str) else order
    frames = zip(frames_in, orders, strict=True)
    rate = "frame" if only_interlaced else "field"
    return [planes_of(frame) for frame in deinterlace(frames, rate, only_interlaced=only_interlaced, by=by)]


def error(images: Sequence[NDArray[np.generic]], moments: NDArray[np.generic]) -> float:
    """Root mean square, of moments that have neighbours on both sides."""
    inner = slice(3, -3)
    return float(np.sqrt(np.mean((np.stack(images)[inner].astype(np.float64) - moments[inner]) ** 2)))


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(0.0, 2.6), (0.6, -1.3), (2.0, 0.0)])
def test_what_moves_gets_its_rows_back(top_first: bool, rows: float, columns: float) -> None:
    moments = scene(14, rows=rows, columns=columns)
    video, order = woven(moments, top_first=top_first), "top first" if top_first else "bottom first"
    quick, found = ([planes[0] for planes in made(video, by, order=order)] for by in ("bwdif", "motion"))
    assert error(found, moments) < 0.5 * error(quick, moments)
    for number, (image, moment) in enumerate(zip(found, moments, strict=True)):
        own = number % 2 if top_first else 1 - number % 2
        assert np.array_equal(image[own::2], moment[own::2]), "rows that were scanned stay"


def test_where_motion_says_nothing_the_first_guess_stays() -> None:
    """Every moment is noise of its own: whatever lies beside it is wrong."""
    moments = np.random.default_rng(5).integers(0, 256, (10, 64, 96), np.uint8)
    quick, found = ([planes[0] for planes in made(woven(moments), by)] for by in ("bwdif", "motion"))
    assert error(found, moments) < 1.02 * error(quick, moments)


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le"])
def test_chroma_and_more_bits(name: str) -> None:
    moments, layout = scene(12, rows=0.0, columns=3.2), layout_for(name)
    planes = planes_like(moments, layout)
    video = [woven(plane) for plane in planes]
    quick, found = (made(video, by, name=name) for by in ("bwdif", "motion"))
    for plane, expected in enumerate(planes):
        before, after = (error([image[plane] for image in images], expected) for images in (quick, found))
        assert after < 0.7 * before, plane


def test_results_depend_on_the_stated_context_alone() -> None:
    moments = scene(28, rows=0.7, columns=-1.9)
    video = woven(moments)
    whole = made(video, "motion")
    first, stop, context = 8, 11, DEINTERLACE_CONTEXT
    part = made(video[first - context : stop + context], "motion")[2 * context : -2 * context]
    for one, other in zip(whole[2 * first : 2 * stop], part, strict=True):
        assert np.array_equal(one[0], other[0])
    less = made(video[first - context + 1 : stop + context - 1], "motion")[2 * context - 2 : 2 - 2 * context]
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(whole[2 * first : 2 * stop], less, strict=True))


def test_progressive_frames_pass_and_help_those_beside_them() -> None:
    moments = scene(24, rows=0.0, columns=1.5)
    video = woven(moments)
    video[4] = moments[8]
    orders: list[Fields] = ["progressive" if number == 4 else "top first" for number in range(12)]
    quick, found = (made(video, by, order=orders, only_interlaced=True) for by in ("bwdif", "motion"))
    assert np.array_equal(found[4][0], moments[8])
    assert len(found) == len(quick) == 12
    wrong = [np.abs(one[3][0].astype(int) - moments[6]).mean() for one in (quick, found)]
    assert wrong[1] < 0.7 * wrong[0]


def test_images_too_small_for_motion_are_as_bwdif_makes_them() -> None:
    video = woven(scene(8, rows=0.0, columns=2.0, size=(20, 32)))
    for one, other in zip(made(video, "bwdif"), made(video, "motion"), strict=True):
        assert np.array_equal(one[0], other[0])


def test_moments_that_are_not_requested_are_left_out_of_the_last_round() -> None:
    planes = [torch.from_numpy(one) / 255 for one in scene(9, rows=0.0, columns=1.0).astype(np.float32)]
    every = [Moment((plane,), number % 2) for number, plane in enumerate(planes)]
    some = [replace(moment, is_requested=number % 2 == 0) for number, moment in enumerate(every)]
    for number, (one, other) in enumerate(zip(fill_rows(every), fill_rows(some), strict=True)):
        assert torch.equal(one.planes[0], other.planes[0]) == (number % 2 == 0)
