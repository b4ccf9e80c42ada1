"""The magnification that blur, noise and the number of frames allow."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.observation.limits import supported_scale

BLUR, NOISE, FRAMES = st.floats(0, 2), st.floats(1e-4, 0.2), st.floats(1, 100)


@given(BLUR, NOISE, FRAMES)
def test_at_the_limit_detail_is_as_strong_as_noise(blur: float, noise: float, frames: float) -> None:
    """A wave of amplitude 0.1 with 2 output pixels a cycle, through the blur and registration to 0.05 px."""
    scale = supported_scale(blur, noise, frames)
    frequency = scale / 2
    left = 0.1 * math.exp(-2 * math.pi**2 * (blur**2 + 0.05**2) * frequency**2)
    if scale > 1:
        assert left == pytest.approx(noise / math.sqrt(frames), rel=1e-9)
    else:
        assert scale == 1
        assert left <= noise / math.sqrt(frames) * (1 + 1e-9)


@given(BLUR, NOISE, FRAMES, st.floats(1, 5))
def test_less_blur_less_noise_and_more_frames_never_hurt(blur: float, noise: float, frames: float, by: float) -> None:
    scale = supported_scale(blur, noise, frames)
    assert supported_scale(blur / by, noise, frames) >= scale
    assert supported_scale(blur, noise / by, frames) >= scale
    assert supported_scale(blur, noise, frames * by) >= scale


def test_noise_that_drowns_all_detail_supports_nothing() -> None:
    assert supported_scale(0.0, 0.2, 1) == 1
    assert supported_scale(0.0, 0.2, 16) > 1


def test_usual_video_supports_about_twofold() -> None:
    """After Lin and Shum, who put the limit of real conditions at 1.6."""
    assert 1.6 < supported_scale(0.45, 2 / 255, 5) < 2.5


@pytest.mark.parametrize(
    ("blur", "noise", "frames"),
    [(-0.1, 0.01, 5), (0.4, 0.0, 5), (0.4, -0.01, 5), (0.4, 0.01, 0.5), (math.nan, 0.01, 5), (0.4, math.nan, 5)],
)
def test_senseless_numbers_are_refused(blur: float, noise: float, frames: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        supported_scale(blur, noise, frames)
