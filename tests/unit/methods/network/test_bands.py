"""Resampling band by band gives the very values of resampling the whole image."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.methods.network.colour import BandResampler
from vsr.observation import resample

SIDES = st.integers(1, 50)


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(SIDES, SIDES),
    target=st.tuples(SIDES, SIDES),
    band=st.integers(1, 60),
    offset=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    shift=st.tuples(st.floats(-4, 4), st.floats(-4, 4)),
    kernel=st.sampled_from(["bicubic", "lanczos"]),
)
def test_bands_equal_the_whole(
    size: tuple[int, int],
    target: tuple[int, int],
    band: int,
    offset: tuple[float, float],
    shift: tuple[float, float],
    kernel: str,
) -> None:
    image = torch.rand(2, *size, generator=torch.Generator().manual_seed(size[0]))
    banded = BandResampler(size, target, kernel=kernel, offset_yx=offset, shift_yx=shift)  # type: ignore[arg-type]
    parts = [banded.push(image[:, row : row + band]) for row in range(0, size[0], band)]
    whole = resample(image, target, kernel=kernel, offset_yx=offset, shift_yx=shift)  # type: ignore[arg-type]
    assert torch.equal(torch.cat(parts, -2), whole)


def test_few_rows_are_held() -> None:
    banded = BandResampler((1000, 10), (500, 10))
    image = torch.rand(1000, 10, generator=torch.Generator().manual_seed(1))
    for row in range(0, 1000, 10):
        banded.push(image[row : row + 10])
        assert banded._held is not None
        assert banded._held.shape[0] <= 20


def test_subsampled_planes_keep_the_scale_of_the_luma() -> None:
    image = torch.rand(17, 9, generator=torch.Generator().manual_seed(1))
    banded = BandResampler((17, 9), (33, 17), scale_yx=(2.0, 2.0), offset_yx=(0.0, -0.25))
    parts = [banded.push(image[row : row + 4]) for row in range(0, 17, 4)]
    whole = resample(image, (33, 17), kernel="bicubic", scale_yx=(2.0, 2.0), offset_yx=(0.0, -0.25))
    assert torch.equal(torch.cat(parts), whole)


def test_sizes_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        BandResampler((4, 4), (4, 0)).push(torch.rand(4, 4))
