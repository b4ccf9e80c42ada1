"""Decimation by its definition, and antialiasing against Pillow and `resample`."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vsr.observation import Antialiased, Decimation, Warp, resample
from vsr.observation.decimation import decimated_size


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
def test_phase_0_is_every_sth_pixel(scale: int) -> None:
    image = torch.rand(23, 19)
    offset = -(scale - 1) / 2
    got = Decimation((23, 19), (scale, scale), offset_yx=(offset, offset)).A(image)
    assert torch.equal(got, image[::scale, ::scale])


def test_odd_scales_pick_the_middle_of_the_block() -> None:
    image = torch.rand(12, 15)
    assert torch.equal(Decimation((12, 15), (3, 5)).A(image), image[1::3, 2::5])


def test_even_scales_interpolate_between_the_two_middle_pixels() -> None:
    """Keys' weights half way are −1, 9, 9, −1 sixteenths."""
    row = torch.rand(1, 16, dtype=torch.float64)
    got = Decimation((1, 16), (1, 4)).A(row)[0, 1]
    expected = (9 * (row[0, 5] + row[0, 6]) - row[0, 4] - row[0, 7]) / 16
    assert got == pytest.approx(float(expected), abs=1e-14)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(20, 40),
    st.fractions(min_value=Fraction(1, 2), max_value=6, max_denominator=7),
    st.floats(-1, 1),
    st.booleans(),
)
def test_samples_sit_where_they_should(size: int, scale: Fraction, offset: float, as_float: bool) -> None:
    """A ramp reads its own position."""
    ramp = torch.arange(size, dtype=torch.float64).expand(3, size)
    given_scale = float(scale) if as_float else scale
    got = Decimation((3, size), (1, given_scale), offset_yx=(0.0, offset)).A(ramp)[1]
    place = (np.arange(len(got)) + 0.5) * float(scale) - 0.5 + offset
    inner = (place >= 1) & (place <= size - 2)
    assert inner.any()
    assert np.abs(got.numpy() - place)[inner].max() < 1e-9


def test_equals_a_warp_to_the_same_places() -> None:
    image = torch.rand(20, 24, dtype=torch.float64)
    scale, offset = 2.6, 0.3
    matrix = torch.tensor([[scale, 0, (scale - 1) / 2 + offset], [0, scale, (scale - 1) / 2 + offset]])
    got = Decimation((20, 24), (scale, scale), offset_yx=(offset, offset), out_size_yx=(7, 9)).A(image)
    warped = Warp.affine((20, 24), matrix, out_size_yx=(7, 9), dtype=torch.float64).A(image)
    assert (got - warped)[1:6, 1:8].abs().max() < 1e-6


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [(8, 4, 2), (9, 4, 3), (1, 4, 1), (8, Fraction(4, 3), 6), (15, 15 / 13, 13), (7, 0.5, 14), (10, 1.4, 8)],
)
def test_derived_size(size: int, scale: float | Fraction, expected: int) -> None:
    assert decimated_size((size, 3), (scale, 1)) == (expected, 3)
    assert Decimation((size, 3), (scale, 1)).A(torch.zeros(size, 3)).shape == (expected, 3)


def test_mirrors_tiny_images() -> None:
    got = Decimation((1, 2), (1, 1), offset_yx=(0.0, 3.0)).A(torch.tensor([[5.0, 7.0]]))
    assert got.tolist() == [[5.0, 5.0]]  # 5 7 | 7 5 | 5 7


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_antialiased_inner_part_equals_pillow(scale: int) -> None:
    """Pillow's bicubic is Keys' with a = −0.5, widened when shrinking, as MATLAB's; borders differ."""
    data = np.random.default_rng(1).random((48, 60), dtype=np.float32)
    size = (48 // scale, 60 // scale)
    expected = np.asarray(Image.fromarray(data).resize(size[::-1], Image.Resampling.BICUBIC))
    got = Antialiased((48, 60), size).A(torch.from_numpy(data)).numpy()
    assert np.abs(got - expected)[2:-2, 2:-2].max() < 2e-6


def test_antialiased_is_resample() -> None:
    image = torch.rand(2, 13, 17)
    got = Antialiased((13, 17), (26, 9), "lanczos").A(image)
    assert torch.equal(got, resample(image, (26, 9), kernel="lanczos"))


def test_refuses_what_makes_no_sense() -> None:
    for scale in (0.0, -2, float("nan")):
        with pytest.raises(ValueError, match="positive"):
            Decimation((8, 8), (2, scale))
    with pytest.raises(ValueError, match="positive"):
        Decimation((8, 8), (2, 2), out_size_yx=(0, 4))
    with pytest.raises(ValueError, match="finite"):
        Decimation((8, 8), (2, 2), offset_yx=(float("inf"), 0.0))
    with pytest.raises(ValueError, match="positive"):
        Antialiased((8, 0), (4, 4))
    with pytest.raises(ValueError, match="kernel"):
        Antialiased((8, 8), (4, 4), "box")  # type: ignore[arg-type]
