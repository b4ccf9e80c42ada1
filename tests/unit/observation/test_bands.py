"""Bands of matrices give what taps give."""

from __future__ import annotations

import pytest
import torch

from vsr.observation import Recording


@pytest.mark.parametrize("name", ["BI", "BD", "camera"])
@pytest.mark.parametrize(
    ("large", "small"),
    [((128, 200), (64, 100)), ((97, 155), (65, 103)), ((400, 90), (100, 23)), ((5, 4), (2, 1)), ((40, 40), (40, 40))],
)
def test_they_are_what_the_operator_gives(name: str, large: tuple[int, int], small: tuple[int, int]) -> None:
    image = 255 * torch.rand(large, generator=torch.Generator().manual_seed(0))
    recording = Recording(large, small, name, (large[0] / small[0], large[1] / small[1]))
    exact = recording.A(image.double())
    assert recording.banded()(image).shape == small
    banded = recording.banded()
    assert float((banded(image) - exact).abs().max()) < 1e-3
    assert float((banded(image.flip(0)) - exact).abs().max()) > 1, "an image of its own gives another result"
    assert float((banded(image) - exact).abs().max()) < 1e-3
