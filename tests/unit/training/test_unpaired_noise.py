"""The strength of a learnt degradation's noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsr.training.unpaired.generators import Shrinker
from vsr.training.unpaired.noise import calibrate_noise, fine_energy


def _images(count: int, side: int, seed: int) -> Tensor:
    """Smooth, in 0…1."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    return 0.25 + 0.5 * torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)


def _noisy_shrinker(codes: float) -> Shrinker:
    """Adds the noise that it is given, ``codes`` of 255 strong, to each colour."""
    shrinker = Shrinker(2)
    body = torch.nn.Conv2d(6, 3, 1, bias=False)
    with torch.no_grad():
        body.weight.zero_()
        for colour in range(3):
            body.weight[colour, 3 + colour] = codes / 255
    shrinker.soiler.body = torch.nn.Sequential(body)
    return shrinker.eval()


@pytest.mark.parametrize("codes", [1.0, 3.0, 9.0])
def test_noise_gets_the_strength_that_degraded_images_show(codes: float) -> None:
    shrinker, clean = _noisy_shrinker(2.0), _images(24, 96, 1)
    with torch.no_grad():
        degraded = _noisy_shrinker(codes)(_images(24, 96, 2), torch.Generator().manual_seed(9))
    calibrate_noise(shrinker, clean, degraded, seed=5)
    assert float(shrinker.soiler.noise_gain) == pytest.approx(codes / 2.0, rel=0.08)


def test_fine_energy_of_white_noise() -> None:
    noise = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    luma_sigma = (65.481**2 + 128.553**2 + 24.966**2) ** 0.5 / 255  # of BT.601 in video range
    assert fine_energy(list(noise)) == pytest.approx(luma_sigma * (8 / 9) ** 0.5, rel=0.03)
