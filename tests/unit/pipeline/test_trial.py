"""A method tried on an excerpt: the very samples of a run, or where that cannot be, nearly."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from videos import X264, encode, scene

import vsr
from vsr.errors import UsageError
from vsr.media.damage import Damage
from vsr.media.display import Box
from vsr.media.planes import planes_of
from vsr.media.probe import probe_media
from vsr.media.reading import scan
from vsr.methods import Geometry
from vsr.pipeline.excerpt import Needs, find_excerpt
from vsr.pipeline.trial import MethodTrial, Part, part_of_frame, try_method, weight_of_part


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("trial") / "clip.mp4", scene(60, 160, 128), *X264)


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("trial") / "small.mp4", scene(56, 64, 48), *X264)


def _try(clip: Path, method: str, at: int, num_frames: int, box: Box | None = None, **settings: Any) -> MethodTrial:
    job = vsr.plan(clip, clip.with_name("out.mkv"), settings={"method": method, "codec": "ffv1", **settings})
    needs = job.prepared.capabilities
    found = find_excerpt(
        job.info,
        Needs(needs.halo_frames, needs.chain_frames, needs.adapt_frames),
        at=at,
        num_frames=num_frames,
        threads=1,
        cut_threshold=3.0,
    )
    part = None if box is None else part_of_frame(job.geometry(found.records[0].look), box)
    return try_method(job, found, part, most_seconds=None)


def _run(clip: Path, folder: Path, method: str, start: int | None, end: int | None) -> list[list[np.ndarray]]:
    output = folder / f"{method}.mkv"
    vsr.upscale(clip, output, start=start, end=end, settings={"method": method, "codec": "ffv1"})
    return [[plane.copy() for plane in planes_of(frame)] for _, frame in scan(probe_media(output), 1, Damage())]


def test_whole_frames_are_those_of_a_run(clip: Path, tmp_path: Path) -> None:
    made = _try(clip, "lanczos", 10, 8)
    expected = _run(clip, tmp_path, "lanczos", None, 20)[10:18]
    assert len(made.pixels) == 8
    for planes, others in zip(made.pixels, expected, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(planes, others, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lite", "multiframe", "auto"])
def test_so_are_those_that_rest_on_several_frames(small_clip: Path, tmp_path: Path, method: str) -> None:
    made = _try(small_clip, method, 48, 3)
    expected = _run(small_clip, tmp_path, method, None, None)[48:51]
    for planes, others in zip(made.pixels, expected, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(planes, others, strict=True))


@pytest.mark.parametrize(("method", "most"), [("lanczos", 0), ("lite", 1)])
def test_a_part_is_the_part_of_whole_frames(clip: Path, method: str, most: int) -> None:
    whole, part = _try(clip, method, 4, 2), _try(clip, method, 4, 2, Box(40, 48, 32, 40))
    for planes, others in zip(part.pixels, whole.pixels, strict=True):
        height, width = planes[0].shape
        assert (height, width) == (64, 80)
        assert np.abs(planes[0].astype(int) - others[0][80:144, 96:176]).max() <= most
        assert np.abs(planes[1].astype(int) - others[1][40:72, 48:88]).max() <= most


@pytest.mark.slow
def test_a_part_reconstructed_is_near_that_of_whole_frames(clip: Path) -> None:
    whole = _try(clip, "multiframe", 0, 2)
    part = _try(clip, "multiframe", 0, 2, Box(40, 48, 48, 64))
    height, width = part.pixels[1][0].shape
    error = part.pixels[1][0].astype(float) - whole.pixels[1][0][80 : 80 + height, 96 : 96 + width]
    assert 10 * np.log10(255**2 / max(1e-9, float(np.square(error).mean()))) > 40


def test_it_stops_when_its_time_is_over(clip: Path) -> None:
    job = vsr.plan(clip, clip.with_name("out.mp4"), settings={"method": "lanczos", "speed": "ultrafast"})
    found = find_excerpt(job.info, Needs(0, 1, 0), at=0, num_frames=20, threads=1, cut_threshold=3.0)
    made = try_method(job, found, None, most_seconds=0.0)
    assert made.ran_out
    assert len(made.pixels) == 3
    assert len(made.sizes) == 3
    whole = try_method(job, found, None, most_seconds=None)
    assert not whole.ran_out
    assert len(whole.pixels) == 20
    for planes, others in zip(made.pixels, whole.pixels, strict=False):
        assert np.array_equal(planes[0], others[0]), "how long it may take changes no sample"


def test_the_estimate_of_the_size_is_near_that_of_a_run(clip: Path, tmp_path: Path) -> None:
    settings = {"method": "lanczos", "speed": "ultrafast"}
    job = vsr.plan(clip, tmp_path / "out.mp4", settings=settings)
    found = find_excerpt(job.info, Needs(0, 1, 0), at=0, num_frames=24, threads=1, cut_threshold=3.0)
    part = part_of_frame(job.geometry(found.records[0].look), Box(32, 40, 64, 64))
    assert part is not None
    weight = weight_of_part(job, found, part)
    made = try_method(job, found, part, most_seconds=None, part_weight=weight)
    vsr.upscale(clip, tmp_path / "out.mp4", settings=settings)
    real = (tmp_path / "out.mp4").stat().st_size / 60
    assert 0.5 * real < made.cost.num_bytes < 2 * real


@given(
    width=st.integers(64, 2000),
    scale=st.sampled_from([Fraction(2), Fraction(3), Fraction(4), Fraction(3, 2), Fraction(9, 4), Fraction(135, 88)]),
    data=st.data(),
)
def test_a_part_lies_on_the_grid_of_the_whole(width: int, scale: Fraction, data: st.DataObject) -> None:
    out_width = round(width * scale)
    left = data.draw(st.integers(0, width - 33))
    length = data.draw(st.integers(32, width - left))
    part = part_of_frame(Geometry(width, width, out_width, out_width), Box(left, left, length, length))
    if part is None:
        return
    assert part.given.left <= part.shown.left <= left
    assert part.given.left + part.given.width >= part.shown.left + part.shown.width >= left + length
    assert part.kept.left % 4 == 0
    assert part.kept.left + part.kept.width <= part.geometry.out_width
    if part.is_on_grid:
        factor = Fraction(out_width, width)
        assert part.geometry.out_width == round(part.given.width * factor)
        assert part.given.left * factor % 4 == 0
        assert part.kept.left == (part.shown.left - part.given.left) * factor


def test_a_part_outside_is_refused() -> None:
    with pytest.raises(UsageError, match="reaches from 90 to 130; the image has 128 pixels"):
        part_of_frame(Geometry(160, 128, 320, 256), Box(90, 0, 40, 40))


def test_a_part_that_is_all_with_its_margin_is_none() -> None:
    assert part_of_frame(Geometry(160, 128, 320, 256), Box(16, 16, 96, 128)) is None
    assert isinstance(part_of_frame(Geometry(1600, 1280, 3200, 2560), Box(16, 16, 96, 128)), Part)
