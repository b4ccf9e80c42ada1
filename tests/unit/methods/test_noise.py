"""Noise estimated from one frame, against noise that was added."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsr.methods.noise import LEAST_ESTIMATE, estimate_noise


def _clean(peak: float = 255.0) -> Tensor:
    """Textured in parts, smooth in others, within the range."""
    y, x = torch.arange(160.0)[:, None], torch.arange(220.0)
    smooth = 0.5 + 0.2 * torch.sin(y / 30) * torch.cos(x / 40)
    texture = 0.2 * torch.sin(x * y / 50) * (x > 110)
    return peak * (smooth + texture)


def _noise(like: Tensor, seed: int = 3) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sigma", [4.0, 8.0, 16.0, 25.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_added_noise_is_found(sigma: float, seed: int) -> None:
    noisy = (_clean() + sigma * _noise(_clean(), seed)).round().clamp(0, 255)
    assert estimate_noise(noisy.to(torch.uint8), 255) == pytest.approx(sigma, rel=0.15)


def test_texture_is_no_noise() -> None:
    """Stripes and checks as fine as can be, over the whole image; noise on them is still found."""
    y, x = torch.arange(160.0)[:, None], torch.arange(220.0)
    for texture in (torch.sin(2.1 * x + 0 * y), torch.sin(2.5 * x + 1.9 * y), torch.sin(x * y / 20)):
        clean = 128 + 60 * texture
        assert estimate_noise(clean.round(), 255) == 0
    noisy = _clean() + 30 * torch.sin(2.1 * x + 0 * y) * (x < 50) + 8 * _noise(_clean())
    assert estimate_noise(noisy.round(), 255) == pytest.approx(8, rel=0.2)


def test_depth_does_not_matter() -> None:
    clean, noise = _clean(), 6 * _noise(_clean())
    eight = estimate_noise(clean + noise, 255.0)
    sixteen = estimate_noise((clean + noise) * 257, 65535.0)
    assert sixteen == pytest.approx(257 * eight, rel=1e-3)


def test_a_clean_image_is_clean() -> None:
    assert estimate_noise(_clean().round(), 255) == 0


def test_little_noise_counts_as_none() -> None:
    assert estimate_noise(_clean() + 0.5 * LEAST_ESTIMATE * 255 * _noise(_clean()), 255) == 0


def test_what_is_cut_off_is_left_out() -> None:
    """Half the image is black, where noise is cut off; the rest still tells."""
    clean = _clean()
    clean[:, 110:] = 0
    noisy = (clean + 10 * _noise(clean)).round().clamp(0, 255)
    assert estimate_noise(noisy, 255) == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize(
    "plane", [torch.zeros(100, 100), torch.full((64, 64), 255.0), torch.ones(5, 300), torch.ones(1, 1)]
)
def test_where_there_is_no_telling(plane: Tensor) -> None:
    assert estimate_noise(plane, 255.0) == 0
