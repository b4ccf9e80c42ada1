"""The weights of iteratively re-weighted super-resolution, and its coarse grids."""

from __future__ import annotations

import pytest
import torch

from vsr.observation import GaussianBlur, reading_blur
from vsr.observation.model import ObservationModel
from vsr.priors import BilateralTV
from vsr.solvers.irwsr import IrwsrOptions, coarse_model, frame_weights, observation_weights, prior_stencil


def test_frames_that_are_too_bright_are_left_out() -> None:
    residual = 0.01 * torch.randn(4, 20, 20, generator=torch.Generator().manual_seed(0))
    residual[2] += 0.05
    residual[3, :8] += 0.5  # less than half of a frame moves no median far
    ones = torch.ones_like(residual)
    assert frame_weights(residual, ones, 0.02).tolist() == [1, 1, 0, 1]
    assert frame_weights(residual + 0.3, ones, 0.02).tolist() == [1, 1, 1, 1], "some frame must have weight"


def test_samples_beyond_the_bound_pull_with_constant_force() -> None:
    residual = torch.tensor([0.0, 0.01, -0.04, 0.08, -0.4])
    weights = observation_weights(residual, torch.ones(5), 2.0, sigma=0.02)
    assert weights.tolist() == pytest.approx([1, 1, 1, 0.5, 0.1])
    assert (weights * residual).abs()[2:].tolist() == pytest.approx([0.04] * 3)


def test_noise_is_found_from_the_residual() -> None:
    residual = 0.03 * torch.randn(2, 90, 90, generator=torch.Generator().manual_seed(1))
    residual[0, :4] = 1.0
    weights = observation_weights(residual, torch.ones_like(residual), 2.0)
    assert weights[0, 0, 0].item() == pytest.approx(0.06, rel=0.05)


def test_edges_are_spared() -> None:
    """A step far above the deviation is smoothed less than by total variation, a small difference as much."""
    x = 0.001 * torch.rand(24, 24, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    x[:, 12:] += 0.5
    options = IrwsrOptions(radius=1)
    prior = BilateralTV(1, options.alpha)
    sparse = prior_stencil(x, prior, 1.0, options)
    plain = prior_stencil(x, prior, 1.0, IrwsrOptions(radius=1, sparsity=1.0))
    ratio = sparse.couplings[0, 1] / plain.couplings[0, 1]
    assert ratio[:, :11].allclose(torch.ones_like(ratio[:, :11]))
    assert (ratio[:, 11] < 0.2).all()


def test_coarse_model_sees_the_same_scene() -> None:
    shifts = torch.tensor([[0.0, 0.0], [0.3, -0.4]], dtype=torch.float64)
    blur = reading_blur((1.6, 1.6), (4, 4))
    model = ObservationModel.from_shifts((20, 24), (80, 96), shifts, blur, dtype=torch.float64)
    coarse = coarse_model(model, 2.0)
    assert coarse.size_yx == (40, 48)
    assert coarse.scale_yx == (2.0, 2.0)
    expected = ObservationModel.from_shifts((20, 24), (40, 48), shifts, GaussianBlur(0.8, 0.8), dtype=torch.float64)
    assert coarse.rows.allclose(expected.rows)
    assert coarse.cols.allclose(expected.cols)

    def scene(height: int, width: int) -> torch.Tensor:
        y = (torch.arange(height, dtype=torch.float64) + 0.5) / height
        x = (torch.arange(width, dtype=torch.float64) + 0.5) / width
        return torch.sin(9 * y[:, None] + 5 * x)

    inner = (slice(None), slice(3, -3), slice(3, -3))
    assert (coarse.A(scene(40, 48))[inner] - model.A(scene(80, 96))[inner]).abs().max() < 5e-3
    assert coarse_model(model, 4.0) is model
    assert coarse_model(model, 7.0) is model
