"""Gain and offset between two images, beyond what tests/unit/registration/test_flow.py checks of them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsr.registration import BrightnessMatch, match_brightness


def _image(size: int = 40, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def test_the_match_is_a_line() -> None:
    match = BrightnessMatch(torch.tensor(2.0), torch.tensor(-0.5))
    assert match.apply(torch.tensor([0.25, 1.0])).tolist() == [0.0, 1.5]


@given(st.floats(0.65, 1.55), st.floats(-0.3, 0.3))
@settings(max_examples=25, deadline=None)
def test_a_line_is_found(gain: float, offset: float) -> None:
    other = _image(dtype=torch.float64)
    reference = gain * other + offset
    match = match_brightness(reference, other, torch.ones_like(other))
    assert float(match.gain) == pytest.approx(gain, abs=1e-4)
    assert (match.apply(other) - reference).abs().max() < 1e-4


@pytest.mark.parametrize(("gain", "expected"), [(4.0, 1.6), (0.1, 1 / 1.6), (-1.0, 1 / 1.6)])
def test_gain_is_bounded(gain: float, expected: float) -> None:
    other = _image()
    reference = gain * (other - 0.5) + 0.5
    assert float(match_brightness(reference, other, torch.ones_like(other)).gain) == pytest.approx(expected)


def test_pixels_without_confidence_have_no_weight() -> None:
    other, confidence = _image(), torch.ones(40, 40)
    reference = 0.9 * other + 0.05
    reference[:25], confidence[:25] = 1 - other[:25], 0
    match = match_brightness(reference, other, confidence)
    assert float(match.gain) == pytest.approx(0.9, abs=1e-3)
    assert float(match.offset) == pytest.approx(0.05, abs=1e-3)


def test_noise_on_a_flat_image_is_not_gain() -> None:
    reference, other = (0.5 + 0.003 * (_image(seed=seed) - 0.5) for seed in (1, 2))
    match = match_brightness(reference + 0.2, other, torch.ones(40, 40))
    assert float(match.gain) == 1.0
    assert float(match.offset) == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_white_stay(level: float) -> None:
    flat = torch.full((40, 40), level)
    assert torch.equal(match_brightness(flat, flat, torch.ones(40, 40)).apply(flat), flat)


def test_large_images_are_thinned_evenly() -> None:
    """An image many times as large, brighter in its last tenth alone, gives the line of the rest."""
    other = _image(400)
    reference = 1.2 * other - 0.1
    reference[360:] += 0.4
    match = match_brightness(reference, other, torch.ones_like(other))
    assert float(match.gain) == pytest.approx(1.2, abs=0.01)
    assert float(match.offset) == pytest.approx(-0.1, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_type_is_the_references(dtype: torch.dtype) -> None:
    other = _image(dtype=dtype)
    match = match_brightness(other, other, torch.ones_like(other))
    assert match.gain.dtype == match.offset.dtype == dtype
    assert match.gain.shape == ()
