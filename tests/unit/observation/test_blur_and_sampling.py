"""Blur and scattered reading against closed forms (adjoints: see tests/contracts/test_operators.py)."""

from __future__ import annotations

import math

import pytest
import torch

from vsr.observation import GaussianBlur, NormalEquations, PointSampler


def test_blur_of_a_wave_is_the_wave_damped() -> None:
    """A Gaussian of standard deviation s multiplies frequency w by exp(-s²w²/2)."""
    sigma, frequency = 1.2, 2 * math.pi / 16
    wave = torch.sin(frequency * torch.arange(128, dtype=torch.float64)).expand(5, 128)
    got = GaussianBlur(0.7, sigma).A(wave)[2, 20:-20]
    expected = math.exp(-0.5 * (sigma * frequency) ** 2) * wave[2, 20:-20]
    assert (got - expected).abs().max() < 4e-3  # the kernel is cut at 3 sigma


def test_blur_keeps_constants_and_sums() -> None:
    blur = GaussianBlur(2.0, 0.5)
    assert (blur.A(torch.full((4, 6), 7.0)) - 7).abs().max() < 1e-5
    spike = torch.zeros(9, 9, dtype=torch.float64)
    spike[0, 8] = 1
    assert blur.A(spike).sum() == pytest.approx(1)


def test_no_blur_is_the_identity() -> None:
    picture = torch.rand(5, 7)
    assert torch.equal(GaussianBlur(0.0, 0.0).A(picture), picture)
    with pytest.raises(ValueError, match="negative"):
        GaussianBlur(-1.0, 0.0)


def test_sampler_reads_a_plane_exactly() -> None:
    """Bilinear reading reproduces a tilted plane anywhere, its far corner included."""
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    rows, cols = torch.tensor([0.0, 2.25, 5.0, 4.9]), torch.tensor([0.0, 6.5, 7.0, 0.3])
    sampler = PointSampler(rows, cols, (6, 8))
    assert bool(sampler.inside.all())
    assert torch.allclose(sampler.A(3 * y - 2 * x + 1), 3 * rows - 2 * cols + 1, atol=1e-5)


def test_points_outside_read_nothing() -> None:
    sampler = PointSampler(torch.tensor([-0.1, 1.0, 3.0]), torch.tensor([1.0, 4.2, 0.0]), (4, 5))
    assert sampler.inside.tolist() == [False, False, True]
    assert sampler.A(torch.ones(4, 5)).tolist() == [0.0, 0.0, 1.0]


def test_float32_sums_are_close_to_float64() -> None:
    generator = torch.Generator().manual_seed(1)
    rows, cols, weights = torch.rand(3, 4000, generator=generator, dtype=torch.float64)
    pictures = []
    for dtype in (torch.float32, torch.float64):
        equations = NormalEquations((16, 16), dtype, torch.device("cpu"))
        sampler = PointSampler((15 * rows).to(dtype), (15 * cols).to(dtype), (16, 16))
        equations.add(sampler, weights.to(dtype), weights.to(dtype))
        pictures.append((equations.matrix().centre.double(), equations.right_side().double()))
    assert (pictures[0][0] - pictures[1][0]).abs().max() < 1e-4
    assert (pictures[0][1] - pictures[1][1]).abs().max() < 1e-4


def test_sampler_refuses_a_line() -> None:
    with pytest.raises(ValueError, match="2x2"):
        PointSampler(torch.zeros(1), torch.zeros(1), (1, 9))
