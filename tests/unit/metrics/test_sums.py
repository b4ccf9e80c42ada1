"""Sums over images against plain integer arithmetic and the slow definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vsr.metrics import psnr, temporal_psnr
from vsr.metrics.sums import energy, errors, psnr_from_sum, rms_slope, sum_of_squares


def _images(dtype: type, top: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, top, (37, 53)).astype(dtype) for _ in range(4)]


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 256), (np.uint16, 1024), (np.uint16, 65536)])
def test_sums_are_exact(dtype: type, top: int) -> None:
    a, b, c, d = _images(dtype, top)
    plain = [p.astype(np.int64) for p in (a, b, c, d)]
    assert sum_of_squares(a, b) == int(((plain[0] - plain[1]) ** 2).sum())
    assert energy(errors(a, b)) == pytest.approx(sum_of_squares(a, b), rel=1e-6)
    assert sum_of_squares(a[::3, 1:], b[::3, :-1]) == int(((plain[0][::3, 1:] - plain[1][::3, :-1]) ** 2).sum())
    change = int((((plain[0] - plain[1]) - (plain[2] - plain[3])) ** 2).sum())
    assert sum_of_squares(errors(a, b), errors(c, d)) == pytest.approx(change, rel=1e-6)


def test_they_are_what_the_other_metrics_measure() -> None:
    a, b, c, d = _images(np.uint8, 256)
    tensors = [torch.from_numpy(p) for p in (a, b, c, d)]
    assert psnr_from_sum(sum_of_squares(a, b), a.size, 255) == pytest.approx(psnr(tensors[0], tensors[1]))
    change = sum_of_squares(errors(a, b), errors(c, d))
    expected = temporal_psnr(tensors[2], tensors[0], tensors[3], tensors[1])
    assert psnr_from_sum(change, a.size, 255) == pytest.approx(expected)
    assert psnr_from_sum(0, a.size, 255) == math.inf


def test_floats_and_refusals() -> None:
    a, b, *_ = _images(np.uint8, 256)
    assert sum_of_squares(a.astype(np.float32), b.astype(np.float32)) == pytest.approx(sum_of_squares(a, b))
    with pytest.raises(ValueError, match="not alike"):
        sum_of_squares(a, b[1:])
    with pytest.raises(ValueError, match="not alike"):
        sum_of_squares(a, b.astype(np.uint16))


def test_slopes_of_a_ramp() -> None:
    ramp = (3 * np.arange(20)[None, :] + 4 * np.arange(30)[:, None]).astype(np.uint8)
    assert rms_slope(ramp, 255) == pytest.approx(5.0)
    assert rms_slope(ramp.astype(np.uint16) * 4, 1020) == pytest.approx(5.0)
    assert rms_slope(ramp, 255, row_step=7) == pytest.approx(5.0)
    assert rms_slope(np.zeros((2, 2), np.uint8), 255) == 0
    with pytest.raises(ValueError, match="2x2"):
        rms_slope(ramp[:1], 255)
