"""Readings that smooth alike everywhere, and outliers."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from vsr.registration.impulses import without_impulses
from vsr.registration.spline import read_spline, smooth_spline


def _grid(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows, cols = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return rows, cols


def test_readings_are_those_of_a_b_spline() -> None:
    from scipy.interpolate import BSpline

    values = torch.rand(1, 9, 12, generator=torch.Generator().manual_seed(0))
    kernel = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    row, col = 4.3, 6.85
    weights_y = np.nan_to_num(kernel(np.arange(9) - row))
    weights_x = np.nan_to_num(kernel(np.arange(12) - col))
    expected = weights_y @ values[0].double().numpy() @ weights_x
    read = read_spline(values, torch.tensor([[row]]), torch.tensor([[col]]))
    assert abs(float(read) - expected) < 1e-5


def test_at_pixel_centres_reading_is_smoothing() -> None:
    values = torch.rand(2, 11, 8)
    assert torch.allclose(read_spline(values, *_grid(11, 8)), smooth_spline(values), atol=1e-5)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_ramp_stays_a_ramp(dy: float, dx: float) -> None:
    rows, cols = _grid(12, 12)
    read = read_spline((0.02 * rows + 0.03 * cols)[None], rows + dy, cols + dx)[0]
    expected = 0.02 * (rows + dy) + 0.03 * (cols + dx)
    assert torch.allclose(read[3:-3, 3:-3], expected[3:-3, 3:-3], atol=1e-5)


def test_noise_is_smoothed_nearly_alike_everywhere() -> None:
    noise = torch.randn(1, 200, 200, generator=torch.Generator().manual_seed(1))
    rows, cols = _grid(200, 200)
    spread = [float(read_spline(noise, rows + d, cols + d).std()) for d in (0.0, 0.25, 0.5)]
    assert max(spread) / min(spread) < 1.1  # 2.2 for the bicubic kernel with a = -0.75


def test_impulses_are_found_and_replaced() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, cols = _grid(40, 50)
    clean = 0.5 + 0.2 * torch.sin(rows / 4) * torch.cos(cols / 5)
    image = clean + 0.008 * torch.randn(40, 50, generator=generator)
    outliers = torch.rand(40, 50, generator=generator) < 0.03
    image[outliers] = torch.where(cols[outliers] % 2 == 0, 0.0, 1.0)
    filled, good = without_impulses(image)
    assert float((good[outliers] == 0).float().mean()) > 0.75  # two side by side hide each other
    assert float(good[~outliers].mean()) > 0.99
    assert float((filled - clean)[good == 0].abs().max()) < 0.15
    assert torch.equal(filled[good == 1], image[good == 1])


def test_edges_and_lines_are_no_impulses() -> None:
    image = torch.zeros(20, 20)
    image[:, 10:] = 1.0
    image[5] = 0.5
    filled, good = without_impulses(image)
    assert bool(good.all())
    assert torch.equal(filled, image)
