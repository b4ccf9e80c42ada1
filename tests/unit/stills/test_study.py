"""Blur and smoothness by prediction: what is left out, what the frames cover, and a known blur found."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
import torch
from plates import film
from torch.nn.functional import interpolate

from vsr.frames import ColorSpec
from vsr.media.decode import FrameRecord
from vsr.media.grabbing import Grabbed
from vsr.media.layouts import LAYOUTS
from vsr.networks.source import Source
from vsr.stills.boxes import Box, moved_by
from vsr.stills.canvas import View
from vsr.stills.stages import source_of_views
from vsr.stills.study import FIRST, coverage, left_out, places_of, study, usual_psf

REGION = Box(10, 10, 24, 16)


def _views(shifts: list[tuple[float, float]]) -> list[View]:
    luma = torch.zeros(40, 48, dtype=torch.float64)
    return [View(n, luma, moved_by(dx, dy)) for n, (dx, dy) in enumerate(shifts)]


def test_coverage_counts_cells_of_the_pixel() -> None:
    assert coverage(_views([(0, 0), (3, -2)]), REGION, 2.0) == pytest.approx(1 / 4)
    assert coverage(_views([(0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5)]), REGION, 2.0) == 1.0
    assert coverage(_views([(n / 4, m / 4) for n in range(4) for m in range(2)]), REGION, 4.0) == pytest.approx(1 / 2)


def test_frames_that_sample_alike_are_left_out_together() -> None:
    shifts = [
        (0.0, 0.0),
        (1.0, 0.0),
        (0.3, 0.4),
        (1.3, 0.4),
        (0.6, 0.1),
        (2.6, 1.1),
        (0.8, 0.7),
        (0.1, 0.8),
        (0.4, 0.9),
    ]
    held = left_out(_views(shifts), 0, REGION)
    assert held
    assert len(held) <= len(shifts) / 3
    assert 0 not in held
    assert 1 not in held
    for pair in ((2, 3), (4, 5)):
        assert (pair[0] in held) == (pair[1] in held)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (Box(5, 7, 24, 16), [(5, 7)]),
        (Box(5, 7, 127, 90), [(36, 20)]),
        (Box(100, 50, 256, 90), [(196, 63), (132, 63), (260, 63)]),
        (Box(0, 0, 640, 272), [(288, 104), (128, 36), (448, 36), (128, 172), (448, 172)]),
    ],
)
def test_a_large_region_is_looked_at_in_several_places(region: Box, expected: list[tuple[int, int]]) -> None:
    places = places_of(region)
    assert [(place.x, place.y) for place in places] == expected
    for place in places:
        assert place.width == min(64, region.width)
        assert place.height == min(64, region.height)
        assert region.x <= place.x
        assert place.right <= region.right
        assert region.y <= place.y
        assert place.bottom <= region.bottom


@pytest.mark.slow
def test_what_is_there_only_once_does_not_decide_for_all_places() -> None:
    """Noisy frames of an even scene, of which the middle shows something else each time."""
    generator = torch.Generator().manual_seed(3)
    slope = torch.linspace(0.3, 0.6, 200, dtype=torch.float64).expand(160, 200)
    views = []
    for number in range(12):
        luma = slope + 0.03 * torch.randn(160, 200, generator=generator, dtype=torch.float64)
        luma[48:112, 68:132] = torch.rand(64, 64, generator=generator, dtype=torch.float64)
        views.append(View(number, luma, moved_by(0.29 * number % 1, 0.61 * number % 1)))
    whole = study(views, 0, Box(2, 2, 196, 156), 2.0, None, None)
    assert whole.imaging.regularization >= 2.0
    apart = study(views, 0, Box(4, 4, 60, 40), 2.0, None, None)
    assert whole.imaging.psf_sigma_px == pytest.approx(apart.imaging.psf_sigma_px, abs=0.1)


@pytest.mark.parametrize(
    ("blur_px", "compression_codes", "expected_px"),
    [
        (0.0, 0.2, 0.35),
        (0.12, 0.2, 0.45),
        (0.6, 0.2, 0.65),
        (0.0, 6.0, 0.45),
        (0.1, 6.0, 0.45),
        (0.5, 6.0, 0.8),
        (9.0, 6.0, 1.1),
    ],
)
def test_the_blur_to_start_from(blur_px: float, compression_codes: float, expected_px: float) -> None:
    assert usual_psf(Source(blur_px, 1.0, compression_codes)) == expected_px


def test_frames_that_tell_nothing_are_those_of_a_usual_camera() -> None:
    assert usual_psf(None) == FIRST.psf_sigma_px
    few = _views([(0, 0), (0.4, 0.3)])
    assert study(few, 0, REGION, 2.0, None, None, Source(0.6, 1.0, 6.0)).imaging.psf_sigma_px == 0.95


@pytest.mark.parametrize("count", [2, 9])
def test_what_decided_is_named(count: int) -> None:
    generator = torch.Generator().manual_seed(5)
    views = [
        View(n, torch.rand(40, 48, generator=generator, dtype=torch.float64), moved_by(0.29 * n % 1, 0.61 * n % 1))
        for n in range(count)
    ]
    unknown, soft = (study(views, 0, REGION, 2.0, None, None, source) for source in (None, Source(0.6, 1.0, 6.0)))
    assert "whole frames" not in unknown.psf_from
    assert (unknown.psf_by_looks_px, unknown.source) == (None, None)
    assert soft.psf_by_looks_px == 0.95
    assert soft.source == Source(0.6, 1.0, 6.0)


def test_full_range_and_rgb_look_as_video_range_does() -> None:
    noise = torch.rand(1, 1, 40, 48, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    unit = interpolate(noise, scale_factor=2, mode="bicubic")[0, 0].clamp(0, 1)
    sources = []
    for name, black, span, is_full in (
        ("gray", 16, 219, False),
        ("gray", 0, 255, True),
        ("gbrp", 0, 255, True),
    ):
        planes = (black + span * unit,) * (3 if name == "gbrp" else 1)
        record = FrameRecord(0, 0, 0, "", 96, 80, name, False, 1)
        frame = Grabbed(record, "", planes, LAYOUTS[name], np.zeros((1, 1, 3), np.uint8))
        sources.append(source_of_views(_views([(0, 0)]), [frame], ColorSpec(full_range=is_full)))
    for source in sources:
        assert source is not None
        assert astuple(source) == pytest.approx(astuple(sources[0]), rel=0.02)


def test_given_values_stay() -> None:
    found = study(_views([(0, 0)]), 0, REGION, 2.0, 0.5, 2.0)
    assert (found.imaging.psf_sigma_px, found.imaging.regularization) == (0.5, 2.0)
    assert (found.psf_from, found.strength_from) == ("given", "given")


@pytest.mark.slow
def test_a_usual_camera_is_taken_for_one() -> None:
    clip = film(16, noise=4.0)
    x, y, width, height = clip.roi
    views = []
    for number, (frame, pose) in enumerate(zip(clip.frames, clip.poses, strict=True)):
        motion = torch.linalg.inv(torch.from_numpy(pose))
        views.append(View(number, torch.from_numpy(frame[..., 0] / 255.0), motion / motion[2, 2]))
    found = study(views, 0, Box(x, y, width, height), 3.0, None, None)
    assert 0.4 <= found.imaging.psf_sigma_px <= 0.5
    assert found.imaging.regularization <= 1.0
    assert len(found.tried) >= 5
