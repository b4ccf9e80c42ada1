"""Degradations as the literature makes them, and the Gaussians that stand for them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vsr.observation import DEGRADATIONS, Degradation, degradation_at, resample, simulate
from vsr.observation.resample import KERNELS


def _smooth(size: tuple[int, int]) -> Tensor:
    """Waves that a Gaussian damps by a known factor, and nothing else."""
    y = torch.arange(size[0], dtype=torch.float64)[:, None]
    x = torch.arange(size[1], dtype=torch.float64)[None, :]
    return 100 + 30 * torch.sin(0.21 * x + 0.13 * y)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bi_inner_part_equals_pillow(scale: int) -> None:
    data = np.random.default_rng(2).random((48, 60), dtype=np.float32)
    expected = np.asarray(Image.fromarray(data).resize((60 // scale, 48 // scale), Image.Resampling.BICUBIC))
    got = simulate(torch.from_numpy(data), "BI", scale).numpy()
    assert np.abs(got - expected)[2:-2, 2:-2].max() < 2e-6


def test_bi_rounds_sizes_up_and_keeps_the_scale() -> None:
    """As ``imresize(x, 1/4)``; not squeezed to fit."""
    ramp = torch.arange(42, dtype=torch.float64).expand(42, 42)
    got = simulate(ramp, "BI", 4)
    assert got.shape == (11, 11)
    assert got[5, 2:8].tolist() == pytest.approx([4 * j + 1.5 for j in range(2, 8)])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bd_equals_opencv(scale: int) -> None:
    """13×13 Gaussian, of sigma 1.6 at ×4, border mirrored, then every s-th pixel."""
    data = np.random.default_rng(3).random((50, 61))
    blurred = cv2.GaussianBlur(data, (13, 13), 0.4 * scale, borderType=cv2.BORDER_REFLECT)
    got = simulate(torch.from_numpy(data), "BD", scale).numpy()
    assert np.abs(got - blurred[::scale, ::scale]).max() < 1e-10


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_presets_describe_what_is_simulated(name: str, scale: int) -> None:
    """A wave damped by the preset's Gaussian, read at the preset's places, is the simulated image."""
    preset, size = degradation_at(name, scale), (30 * scale, 40 * scale)
    y = (torch.arange(30, dtype=torch.float64)[:, None] + 0.5 + preset.offset_px) * scale - 0.5
    x = (torch.arange(40, dtype=torch.float64)[None, :] + 0.5 + preset.offset_px) * scale - 0.5
    sigma = preset.psf_sigma_px * scale
    damped = 30 * math.exp(-0.5 * sigma**2 * (0.21**2 + 0.13**2))
    expected = 100 + damped * torch.sin(0.21 * x + 0.13 * y)
    got = simulate(_smooth(size), name, scale)
    # BI is flatter than its Gaussian in this band and steeper above.
    assert (got - expected)[4:-4, 4:-4].abs().max() < (2.0 if name == "BI" else 0.15)


def test_bd_offset_depends_on_the_scale() -> None:
    assert degradation_at("BD", 4) == Degradation("BD", 0.4, -0.375)
    assert degradation_at("BD", 2).offset_px == -0.25
    assert degradation_at("BD", 1).offset_px == 0


def test_bi_sigma_is_the_gaussian_nearest_to_bicubic() -> None:
    """Moments do not tell (the second is 0); frequency responses do."""
    x = torch.linspace(-2, 2, 8001, dtype=torch.float64)
    kernel, step = KERNELS["bicubic"][0](x), 4 / 8000
    assert float((kernel * x * x).sum() * step) == pytest.approx(0, abs=1e-6)
    frequency = torch.linspace(0, 1, 101, dtype=torch.float64)  # cycles an LR pixel
    response = (kernel * torch.cos(2 * math.pi * frequency[:, None] * x)).sum(1) * step
    sigmas = torch.linspace(0.25, 0.5, 251, dtype=torch.float64)
    gaussians = torch.exp(-2 * (math.pi * sigmas[:, None] * frequency) ** 2)
    residual = ((gaussians - response) ** 2 / (frequency + 0.02) ** 2).sum(1)
    assert float(sigmas[residual.argmin()]) == pytest.approx(degradation_at("BI", 4).psf_sigma_px, abs=0.01)


def test_simulate_keeps_type_and_batches() -> None:
    frames = torch.rand(2, 3, 24, 32)
    for name in DEGRADATIONS:
        got = simulate(frames, name, 4)
        assert got.dtype == torch.float32
        assert got.shape == (2, 3, 6, 8)
    assert torch.equal(simulate(frames, "BI", 4), resample(frames, (6, 8), kernel="bicubic"))


def test_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="did you mean 'camera'"):
        degradation_at("kamera", 4)
    with pytest.raises(ValueError, match="from 1"):
        degradation_at("BI", 0.5)
    with pytest.raises(ValueError, match="sigma"):
        Degradation("mine", -1.0, 0.0)
    with pytest.raises(ValueError, match="float32"):
        simulate(torch.zeros(8, 8, dtype=torch.uint8), "BD", 2)
