"""Curves of what a method found: frame by frame where the record has it, else segment by segment."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from vsr.report.page.curves import _finding_line
from vsr.report.page.records import Pair


def _pairs(count: int, stride: int = 1) -> list[Pair]:
    return [Pair(number, number, 3 + Fraction(number, 25)) for number in range(0, count, stride)]


def _segments(**first_curves: list[float]) -> list[dict[str, Any]]:
    """Two segments of a part that begins at source frame 100: three frames and two."""
    return [
        {"start": 100, "stop": 103, "findings": {"noise_sigma": 0.02}, "curves": first_curves},
        {"start": 103, "stop": 105, "findings": {"noise_sigma": 0.05}, "curves": {}},
    ]


def test_an_image_has_its_own_value() -> None:
    line = _finding_line("noise_sigma", 100.0, _pairs(5), _segments(noise_sigma=[0.01, 0.02, 0.03]))
    assert not line.is_step
    assert line.times == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    assert line.values == pytest.approx([1, 2, 3, 5, 5]), "a segment without a curve never changes"


def test_measured_frames_of_a_long_video() -> None:
    line = _finding_line("noise_sigma", 100.0, _pairs(5, 2), _segments(noise_sigma=[0.01, 0.02, 0.03]))
    assert line.values == pytest.approx([1, 3, 5])


def test_two_images_of_a_frame() -> None:
    curve = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    line = _finding_line("noise_sigma", 100.0, _pairs(10), _segments(noise_sigma=curve))
    assert line.values == pytest.approx([1, 2, 3, 4, 5, 6, 5, 5, 5, 5])


def test_segments_without_curves_make_steps() -> None:
    line = _finding_line("noise_sigma", 100.0, _pairs(5), _segments())
    assert line.is_step
    assert (line.times, line.values) == (pytest.approx([0, 0.12]), pytest.approx([2, 5]))
    assert _finding_line("frames_used", 1.0, _pairs(5), _segments()).values == [None, None]
