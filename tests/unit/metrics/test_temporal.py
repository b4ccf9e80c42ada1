"""Errors that stay and errors that flicker."""

from __future__ import annotations

import math

import pytest
import torch

from vsr.metrics import psnr, temporal_psnr


def _frames() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    first, second = torch.rand(2, 200, 200, generator=generator, dtype=torch.float64) * 255
    return first, second


def test_what_stays_does_not_count() -> None:
    before, now = _frames()
    before, now = before.round(), now.round()
    assert psnr(now + 7, now) < 32
    assert temporal_psnr(before + 7, now + 7, before, now) == math.inf


def test_what_flickers_counts_twice() -> None:
    before, now = _frames()
    noise = torch.randn(2, 200, 200, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    got = temporal_psnr(before + noise[0], now + noise[1], before, now)
    assert got == pytest.approx(psnr(now + noise[1], now) - 10 * math.log10(2), abs=0.1)


def test_a_frozen_image_misses_the_change() -> None:
    before, now = _frames()
    assert temporal_psnr(before, before, before, now) == pytest.approx(psnr(before, now))


def test_crop_leaves_the_rim_out() -> None:
    before, now = _frames()
    flashing = now.clone()
    flashing[0] += 50
    assert temporal_psnr(before, flashing, before, now) < 60
    assert temporal_psnr(before, flashing, before, now, crop=1) == math.inf
