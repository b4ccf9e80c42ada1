"""LR-PSNR against Pillow's antialiased bicubic and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vsr.metrics import lr_psnr, psnr, shrink_bicubic


def _image() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).uniform(0, 255, (36, 48)))


def test_ground_truth_is_consistent_with_its_own_recording() -> None:
    hr = _image()
    assert lr_psnr(hr, shrink_bicubic(hr, (12, 16))) == math.inf


def test_eight_bits_in_the_recording_cost_what_rounding_costs() -> None:
    hr = _image()
    rounded = shrink_bicubic(hr, (12, 16)).round()
    assert lr_psnr(hr, rounded) == pytest.approx(10 * math.log10(255**2 * 12), abs=1)  # variance 1/12: 58.9 dB


def test_shrinking_is_pillows() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    hr = _image()
    with_pillow = image.fromarray(hr.numpy().astype(np.float32)).resize((16, 12), image.Resampling.BICUBIC)
    inner = (slice(2, -2), slice(2, -2))  # borders differ: Pillow leaves out what lies beyond, MATLAB mirrors
    ours, theirs = shrink_bicubic(hr, (12, 16))[inner], torch.from_numpy(np.array(with_pillow))[inner]
    assert torch.allclose(ours, theirs.double(), atol=1e-3)


def test_other_ways_of_recording() -> None:
    hr = _image()

    def every_third(image: torch.Tensor, size_yx: tuple[int, int]) -> torch.Tensor:
        assert size_yx == (12, 16)
        return image[1::3, 1::3]

    recorded = hr[1::3, 1::3].clone()
    assert lr_psnr(hr, recorded, degrade=every_third) == math.inf
    assert lr_psnr(hr, recorded) < 25
    recorded[0] += 10
    assert lr_psnr(hr, recorded, degrade=every_third) == pytest.approx(10 * math.log10(255**2 / (100 / 12)))
    assert lr_psnr(hr, recorded, degrade=every_third, crop=1) == math.inf


def test_colour_and_peak() -> None:
    hr = torch.from_numpy(np.random.default_rng(3).uniform(0, 1, (3, 24, 24)))
    recorded = shrink_bicubic(hr, (12, 12)) + 0.1
    assert lr_psnr(hr, recorded, peak=1.0) == pytest.approx(20.0)
    assert psnr(recorded, recorded - 0.1, peak=1.0) == pytest.approx(20.0)
    with pytest.raises(ValueError, match="shapes differ"):
        lr_psnr(hr, recorded[0])
