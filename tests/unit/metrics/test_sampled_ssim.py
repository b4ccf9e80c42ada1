"""Sampled SSIM: every window gives what the definition gives, some windows come near it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from vsr.metrics import ssim
from vsr.metrics.sampled_ssim import SampledSsim, window_grid


def _pair(height: int, width: int, peak: int = 255, dtype: type = np.uint8) -> tuple[np.ndarray, np.ndarray]:
    """Two versions of an image whose parts differ in texture and noise."""
    rng = np.random.default_rng(height)
    coarse = cv2.resize(rng.random((max(2, height // 16), max(2, width // 16))), (width, height))
    fine = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), 1.0)
    first = np.clip((coarse * (0.6 + 0.9 * fine * coarse) + 0.1) * peak, 0, peak)
    noise = rng.normal(0, 0.05, first.shape) * np.linspace(0, 1, width) * peak
    return first.astype(dtype), np.clip(first + noise, 0, peak).astype(dtype)


@pytest.mark.parametrize("size", [(11, 11), (11, 200), (33, 12), (40, 51), (64, 175), (120, 161)])
@pytest.mark.parametrize(("peak", "dtype"), [(255, np.uint8), (1023, np.uint16), (65535, np.uint16), (255, np.float32)])
def test_every_window_is_the_definition(size: tuple[int, int], peak: int, dtype: type) -> None:
    first, second = _pair(*size, peak, dtype)
    expected = ssim(torch.from_numpy(first.astype(np.float64)), torch.from_numpy(second.astype(np.float64)), peak=peak)
    assert SampledSsim(*size, peak, grid=(1, 1))(first, second) == pytest.approx(expected, abs=2e-5)


def test_a_grid_comes_near_and_frames_together_nearer() -> None:
    first, second = _pair(480, 720)
    expected = ssim(torch.from_numpy(first), torch.from_numpy(second))
    coarse = SampledSsim(480, 720, 255, grid=(32, 4))
    found = [coarse(first, second, number) for number in range(32)]
    assert max(abs(value - expected) for value in found) < 0.02
    assert len(set(found)) == 32, "the grid does not move"
    assert np.mean(found) == pytest.approx(expected, abs=1e-3)
    assert SampledSsim(480, 720, 255)(first, second) == pytest.approx(expected, abs=2e-3)


def test_grids_by_size() -> None:
    assert window_grid(288, 352) == window_grid(576, 720) == (4, 2)
    assert window_grid(200, 300) == (1, 1)
    assert window_grid(1080, 1920) == window_grid(2160, 3840) == (32, 4)


def test_equal_images_and_refusals() -> None:
    first, second = _pair(64, 175)
    assert SampledSsim(64, 175, 255)(first, first) == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(ValueError, match="11x11"):
        SampledSsim(10, 175, 255)
    with pytest.raises(ValueError, match="must be 175x64"):
        SampledSsim(64, 175, 255)(first, second[1:])
