"""Shifts found by phase correlation, and what is admitted not to be one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_scenes import photograph, recorded
from torch import Tensor

from vsr.registration import phase_correlation
from vsr.registration.phase import MIN_PHASE_SIZE

PHOTOGRAPHS = ("camera", "astronaut", "coffee")


def _error(a: Tensor, b: Tensor, shift: tuple[float, float]) -> float:
    found = phase_correlation(a, b).shift_yx
    return float(np.hypot(found[0] - shift[0], found[1] - shift[1]))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.7), (-4.4, 6.2), (17.5, -21.25), (-38.0, 35.6)])
def test_fourier_shifts_of_photographs(name: str, shift: tuple[float, float]) -> None:
    a, b = recorded(photograph(name), 0), recorded(photograph(name, shift), 1)
    assert _error(a, b, shift) < 0.04
    assert phase_correlation(a, b).confidence > 0.5


@given(y=st.floats(-40, 40), x=st.floats(-40, 40), name=st.sampled_from(PHOTOGRAPHS))
@settings(max_examples=20, deadline=None)
def test_any_shift_up_to_nearly_a_third(y: float, x: float, name: str) -> None:
    assert _error(recorded(photograph(name), 0), recorded(photograph(name, (y, x)), 1), (y, x)) < 0.08


def test_is_antisymmetric() -> None:
    a, b = recorded(photograph("camera"), 0), recorded(photograph("camera", (5.3, -8.6)), 1)
    forth, back = phase_correlation(a, b).shift_yx, phase_correlation(b, a).shift_yx
    assert np.allclose(forth, [-v for v in back], atol=0.02)


@pytest.mark.parametrize("damage", [{"gain": 0.6, "offset": 0.1}, {"impulses": 0.05}, {"noise": 8 / 255}])
def test_brightness_and_damage_matter_little(damage: dict[str, float]) -> None:
    shift = (2.4, -7.3)
    errors = [
        _error(recorded(photograph(n), 0), recorded(photograph(n, shift), 1, **damage), shift) for n in PHOTOGRAPHS
    ]
    assert np.sqrt(np.mean(np.square(errors))) < 0.045


def test_shapes_that_are_no_powers_of_two() -> None:
    a, b = recorded(photograph("coffee"), 0)[:97, :61], recorded(photograph("coffee", (3.2, -1.7)), 1)[:97, :61]
    assert _error(a, b, (3.2, -1.7)) < 0.1


@pytest.mark.parametrize("pair", [("camera", "astronaut"), ("coffee", "moon"), ("camera", "gravel")])
def test_unrelated_images_inspire_no_confidence(pair: tuple[str, str]) -> None:
    found = phase_correlation(*(recorded(photograph(name), 0) for name in pair))
    assert 0.0 <= found.confidence < 0.4


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(32, 40),
        torch.full((32, 40), 0.7),
        torch.full((32, 40), torch.nan),
        torch.rand(1, 40),
        torch.rand(MIN_PHASE_SIZE - 1, 40),
    ],
    ids=["black", "flat", "nan", "one row", "tiny"],
)
def test_nothing_to_see_is_no_shift(image: Tensor) -> None:
    for pair in ((image, image), (image, torch.rand(image.shape)), (torch.rand(image.shape), image)):
        found = phase_correlation(*pair)
        assert (found.shift_yx, found.confidence) == ((0.0, 0.0), 0.0)


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="one size"):
        phase_correlation(torch.rand(20, 20), torch.rand(20, 21))
