"""Images of one shape inside those of another."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vsr.frames import ColorSpec
from vsr.media.convert import OutputFormat
from vsr.media.fitting import Area, fit, pad
from vsr.media.layouts import LAYOUTS

SIDES = st.integers(16, 4000)
RATIOS = st.fractions(Fraction(1, 3), Fraction(3), max_denominator=60)


@given(st.fractions(Fraction(1, 4), Fraction(4), max_denominator=100), SIDES, SIDES, RATIOS)
@example(Fraction(17, 16), 16, 16, Fraction(4, 3))  # bars of 3.25 samples in all: too narrow to be made
def test_as_large_as_it_can_be_centred_and_undistorted(
    shape: Fraction, width: int, height: int, aspect: Fraction
) -> None:
    area = fit(shape, width, height, aspect)
    assert area.width == width or area.height == height
    assert 0 <= area.left <= (width - area.width) / 2 < area.left + 4
    assert 0 <= area.top <= (height - area.height) / 2 < area.top + 4
    exact_width, exact_height = shape * height / aspect, aspect * width / shape  # beside a full height, or width
    side, exact = (area.width, exact_width) if exact_width <= width else (area.height, exact_height)
    fills_all = (area.width, area.height) == (width, height)
    assert abs(side - exact) < 4 if fills_all or side == 4 else abs(side - exact) <= 2


@given(SIDES, SIDES, RATIOS)
def test_the_same_shape_fills_everything(width: int, height: int, aspect: Fraction) -> None:
    assert fit(aspect * Fraction(width, height), width, height, aspect) == Area(0, 0, width, height)


@pytest.mark.parametrize(
    ("name", "full", "black"),
    [
        ("yuv420p", False, (16, 128, 128)),
        ("yuv420p", True, (0, 128, 128)),
        ("yuv422p10le", False, (64, 512, 512)),
        ("gray12le", False, (256,)),
        ("gbrp", True, (0, 0, 0)),
        ("yuva444p", False, (16, 128, 128, 0)),
        ("gbrapf32le", True, (0, 0, 0, 0)),
    ],
)
def test_bars_are_black_in_every_layout(name: str, full: bool, black: tuple[int, ...]) -> None:
    layout, area = LAYOUTS[name], Area(8, 4, 16, 24)
    matrix = 0 if layout.family == "rgb" else 1
    target = OutputFormat(layout, ColorSpec(1, 1, matrix, full))
    dtype = np.float32 if layout.is_float else np.uint8 if layout.bit_depth == 8 else np.uint16
    planes = [
        np.full(layout.plane_size(number, area.width, area.height), 0.5 if layout.is_float else 77, dtype)
        for number in range(layout.num_planes)
    ]
    for number, (plane, level) in enumerate(zip(pad(planes, area, target, 33, 31), black, strict=True)):
        assert plane.dtype == dtype
        assert plane.shape == layout.plane_size(number, 33, 31)
        shift_x = layout.chroma_shift_x if layout.is_chroma(number) else 0
        shift_y = layout.chroma_shift_y if layout.is_chroma(number) else 0
        rows, columns = planes[number].shape
        inside = plane[4 >> shift_y : (4 >> shift_y) + rows, 8 >> shift_x : (8 >> shift_x) + columns]
        assert np.array_equal(inside, planes[number])
        outside = plane.copy()
        outside[4 >> shift_y : (4 >> shift_y) + rows, 8 >> shift_x : (8 >> shift_x) + columns] = level
        assert (outside == level).all()
