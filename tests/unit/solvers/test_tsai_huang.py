"""Aliased frequencies taken apart: exact for periodic scenes without noise."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vsr.observation import reading_blur, resample
from vsr.observation.model import ObservationModel
from vsr.solvers.base import Observations
from vsr.solvers.l2 import mean_square, scale_by_noise
from vsr.solvers.tsai_huang import TsaiHuangOptions, solve_tsai_huang

READING_SIGMA = (1 / 6) ** 0.5  # of bilinear reading alone, so that the model has no taps of its own


def _waves(size: int) -> Tensor:
    return torch.fft.fftfreq(size, dtype=torch.float64)


def _band_limited(size: int, highest: float) -> Tensor:
    """A random periodic image without frequencies above ``highest`` cycles per pixel."""
    spectrum = torch.fft.fft2(torch.rand(size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    keep = (_waves(size).abs()[:, None] <= highest) & (_waves(size).abs() <= highest)
    image = torch.fft.ifft2(spectrum * keep).real
    return (image - image.min()) / (image.max() - image.min())


def _observe(scene: Tensor, scale: int, shifts: Tensor, sigma: float) -> Observations:
    size, frames = scene.shape[0], []
    y, x = _waves(size)[:, None], _waves(size)
    for shift in shifts * scale + (scale - 1) / 2:
        gain = torch.exp(-2 * math.pi**2 * sigma**2 * (y**2 + x**2))
        turned = torch.fft.fft2(scene) * gain * torch.exp(2j * math.pi * (y * shift[0] + x * shift[1]))
        frames.append(torch.fft.ifft2(turned).real[::scale, ::scale])
    blur = reading_blur((sigma, sigma), (scale, scale))
    model = ObservationModel.from_shifts((size // scale,) * 2, (size, size), shifts, blur, dtype=torch.float64)
    return Observations(torch.stack(frames), model)


@pytest.mark.parametrize("scale", [2, 3])
def test_recovers_frequencies_that_every_frame_has_aliased(scale: int) -> None:
    scene = _band_limited(48, 0.4)  # a frame alone holds 0.5 / scale
    shifts = torch.rand(3 * scale**2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.5
    observed = _observe(scene, scale, shifts, READING_SIGMA)
    start = resample(observed.frames[0], (48, 48), kernel="bicubic")
    options = TsaiHuangOptions(regularization=1e-6, passes=6, border_samples=1)
    found = solve_tsai_huang(observed, start, options)
    inner = (slice(8, -8), slice(8, -8))
    assert (found - scene)[inner].square().mean().sqrt() < 0.01
    assert (start - scene)[inner].square().mean().sqrt() > 0.05


def test_sizes_that_are_no_multiple_are_refused() -> None:
    model = ObservationModel.from_shifts(
        (4, 4), (6, 6), torch.zeros(1, 2, dtype=torch.float64), reading_blur((1, 1), (1.5, 1.5))
    )
    with pytest.raises(ValueError, match="whole multiple"):
        solve_tsai_huang(Observations(torch.zeros(1, 4, 4), model), torch.zeros(6, 6), TsaiHuangOptions())


def test_prior_grows_with_the_residual() -> None:
    scene = _band_limited(16, 0.2)
    observed = _observe(scene, 2, torch.zeros(1, 2, dtype=torch.float64), 0.7)
    residual, confidence = torch.full((1, 8, 8), 0.1), torch.ones(1, 8, 8)
    confidence[:, 4:] = 0
    residual[:, 4:] = 5
    assert mean_square(observed, residual, confidence) == pytest.approx(0.01)
    assert mean_square(observed, residual, torch.zeros_like(confidence)) == 0
    assert scale_by_noise(2.0, 0.01) > scale_by_noise(1.0, 0.01) > scale_by_noise(1.0, 0.0) > 0
