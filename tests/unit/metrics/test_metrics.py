"""PSNR and SSIM against scikit-image and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vsr.metrics import luma_bt601, psnr, ssim


def _pair() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (40, 51)).astype(np.uint8)
    second = np.clip(first + rng.normal(0, 9, first.shape), 0, 255).astype(np.uint8)
    return torch.from_numpy(first), torch.from_numpy(second)


@pytest.mark.parametrize("crop", [0, 5])
def test_equal_scikit_image(crop: int) -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    first, second = _pair()
    a, b = (p.numpy()[crop : 40 - crop, crop : 51 - crop] for p in (first, second))
    expected = metrics.peak_signal_noise_ratio(a, b, data_range=255)
    assert psnr(first, second, crop=crop) == pytest.approx(expected, abs=1e-9)
    # scikit-image averages over whole windows of its own, larger window; compare on the same support
    _, full = metrics.structural_similarity(
        a.astype(np.float64),
        b.astype(np.float64),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    assert ssim(first, second, crop=crop) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)


def test_psnr_of_a_known_error() -> None:
    zero, two = torch.zeros(8, 8), torch.full((8, 8), 2.0)
    assert psnr(zero, two) == pytest.approx(10 * math.log10(255**2 / 4))
    assert psnr(zero, two / 255, peak=1.0) == pytest.approx(10 * math.log10(255**2 / 4), abs=1e-5)
    assert psnr(zero, zero) == math.inf


def test_crop_leaves_the_rim_out() -> None:
    first, second = torch.zeros(9, 9), torch.zeros(9, 9)
    second[0] = 100
    assert psnr(first, second) < 40
    assert psnr(first, second, crop=1) == math.inf


def test_ssim_of_equal_images_is_one() -> None:
    first, _ = _pair()
    assert ssim(first, first) == pytest.approx(1.0)


def test_luma_of_black_white_and_primaries() -> None:
    colours = torch.tensor([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]], dtype=torch.uint8)
    luma = luma_bt601(colours.T.reshape(3, 1, 4))[0]
    assert torch.allclose(luma, torch.tensor([16.0, 235.0, 81.481, 40.966], dtype=torch.float64))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        psnr(torch.zeros(4, 4), torch.zeros(4, 5))
    with pytest.raises(ValueError, match="crop"):
        psnr(torch.zeros(4, 4), torch.zeros(4, 4), crop=2)
    with pytest.raises(ValueError, match="11x11"):
        ssim(torch.zeros(10, 20), torch.zeros(10, 20))
