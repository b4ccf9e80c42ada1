"""The rules of scoring against scikit-image, Pillow's arithmetic written out, and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vsr.evaluation.protocol import (
    as_given,
    compared,
    downscale_hr,
    eight_bits,
    hr_from,
    scored,
    smallest_side,
)

RNG = np.random.default_rng(11)


def _smooth(height: int, width: int, channels: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin(x / (3 + k) + k) * np.cos(y / (4 + k)) for k in range(channels)]
    image = np.stack(planes, axis=-1).round().astype(np.uint8)
    return image[:, :, 0] if channels == 1 else image


def test_sides_are_cut_at_the_end() -> None:
    image = RNG.integers(0, 256, (20, 31, 3)).astype(np.uint8)
    hr = hr_from(image, 3)
    assert hr.shape == (3, 18, 30)
    assert np.array_equal(hr.permute(1, 2, 0).numpy(), image[:18, :30])
    assert hr_from(image[:, :, 0], 4).shape == (1, 20, 28)


def test_sixteen_bits_keep_their_steps() -> None:
    deep = np.array([[0, 1, 257, 65535]], dtype=np.uint16)
    assert hr_from(deep, 1)[0, 0].tolist() == pytest.approx([0, 1 / 257, 1, 255])


def test_what_methods_are_given() -> None:
    hr = hr_from(_smooth(24, 36, 3), 2)
    luma, colour = downscale_hr(hr, 2, "Y"), downscale_hr(hr, 2, "RGB")
    assert luma.shape == (1, 12, 18)
    assert not torch.equal(luma, luma.round())
    assert colour.shape == (3, 12, 18)
    assert torch.equal(colour, colour.round())
    # bicubic is linear: the luma of the small image is the small luma, but for the rounding of RGB
    assert (as_given(colour, "Y") - luma).abs().max() < 0.5
    assert as_given(colour, "RGB") is colour


def test_grey_stays_grey() -> None:
    grey = hr_from(_smooth(24, 36, 1), 2)
    assert all(torch.equal(one, grey[0]) for one in compared(grey, grey))  # not squeezed into 16…235
    assert downscale_hr(grey, 2, "Y").shape == (1, 12, 18)
    three = downscale_hr(grey, 2, "RGB")
    assert three.shape == (3, 12, 18)
    assert torch.equal(three[0], three[2])
    as_rgb = grey.expand(3, -1, -1)
    assert torch.allclose(compared(as_rgb, grey)[0], grey[0])
    assert scored(as_rgb, grey, three, 2)[0] > 200


@pytest.mark.parametrize("colour", ["Y", "RGB"])
def test_scores_are_scikit_images(colour: str) -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    hr = hr_from(_smooth(40, 60, 3), 2)
    weights = np.array([65.481, 128.553, 24.966]) / 255
    requested = 16 + np.tensordot(weights, hr.numpy(), axes=1)
    if colour == "Y":
        result = torch.from_numpy(requested + RNG.normal(0, 6, requested.shape))[None]
        got, requested = np.clip(np.round(result[0].numpy()), 0, 255), np.round(requested)
    else:
        result = hr + torch.from_numpy(RNG.normal(0, 6, hr.shape))
        got = 16 + np.tensordot(weights, np.clip(np.round(result.numpy()), 0, 255), axes=1)
    psnr_y, ssim_y, _ = scored(result, hr, downscale_hr(hr, 2, "Y" if colour == "Y" else "RGB"), 2)
    inner = (slice(2, -2), slice(2, -2))
    assert psnr_y == pytest.approx(metrics.peak_signal_noise_ratio(requested[inner], got[inner], data_range=255))
    _, full = metrics.structural_similarity(
        requested[inner], got[inner], data_range=255, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    assert ssim_y == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)


def test_results_are_rounded_and_clipped_before_they_are_scored() -> None:
    grey = torch.full((1, 40, 40), 255.0, dtype=torch.float64)
    assert scored(grey + 30.2, grey, downscale_hr(grey, 2, "Y"), 2)[0] == math.inf
    assert scored(grey - 0.4, grey, downscale_hr(grey, 2, "Y"), 2) == (math.inf, 1.0, math.inf)
    assert scored(grey - 0.6, grey, downscale_hr(grey, 2, "Y"), 2)[0] == pytest.approx(20 * math.log10(255))
    assert eight_bits(torch.tensor([-3.0, 0.4, 254.6, 300.0])).tolist() == [0, 0, 255, 255]


def test_the_border_is_left_out_of_the_score_but_not_of_consistency() -> None:
    hr = hr_from(_smooth(40, 60, 1), 3)
    result = hr.clone()
    result[:, :3] = result[:, -3:] = 0
    result[:, :, :3] = result[:, :, -3:] = 0
    psnr_y, ssim_y, lr_psnr = scored(result, hr, downscale_hr(hr, 3, "Y"), 3)
    assert (psnr_y, ssim_y) == (math.inf, pytest.approx(1.0))
    assert lr_psnr < 30


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_the_smallest_side_is_just_enough(scale: int) -> None:
    side = smallest_side(scale)
    hr = hr_from(RNG.integers(0, 256, (side, side)).astype(np.uint8), scale)
    assert math.isfinite(scored(255 - hr, hr, downscale_hr(hr, scale, "Y"), scale)[1])
    smaller = hr_from(np.zeros((side - 1, side - 1), np.uint8), scale)
    with pytest.raises(ValueError, match="11x11"):
        scored(smaller, smaller, downscale_hr(smaller, scale, "Y"), scale)
