"""Point-spread functions against OpenCV, closed forms and dense point sampling."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsr.observation import box_kernel, disc_kernel, gaussian_kernel, motion_kernel

LENGTHS = st.floats(0, 12)
ANGLES = st.floats(-400, 400)


def _offsets(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of a kernel, counted from its middle."""
    rows, cols = (torch.arange(size, dtype=torch.float64) - size // 2 for size in kernel.shape)
    return rows[:, None], cols[None, :]


def _covariance(kernel: Tensor) -> tuple[float, float, float]:
    """(yy, xx, xy) second moments; the first are 0 by symmetry."""
    y, x = _offsets(kernel)
    return float((kernel * y * y).sum()), float((kernel * x * x).sum()), float((kernel * x * y).sum())


@settings(max_examples=60, deadline=None)
@given(LENGTHS, LENGTHS, ANGLES)
def test_every_kernel_is_light_spread_evenly_about_the_middle(a: float, b: float, angle: float) -> None:
    kernels = (
        gaussian_kernel((a / 4, b / 4), angle_degrees=angle),
        disc_kernel(a),
        motion_kernel(a, angle),
        box_kernel((a, b)),
    )
    for kernel in kernels:
        assert kernel.dtype == torch.float64
        assert all(size % 2 == 1 for size in kernel.shape)
        assert float(kernel.sum()) == pytest.approx(1, abs=1e-12)
        assert bool((kernel >= 0).all())
        assert (kernel - kernel.flip(0, 1)).abs().max() < 1e-9


def test_gaussian_equals_opencv() -> None:
    one = cv2.getGaussianKernel(13, 1.6, cv2.CV_64F)
    assert np.abs(gaussian_kernel((1.6, 1.6), radius_px=6).numpy() - one @ one.T).max() < 1e-12


@pytest.mark.parametrize("angle", [0.0, 20.0, 90.0, 135.0, -60.0])
def test_gaussian_has_its_sigmas_along_its_axes(angle: float) -> None:
    """Positive angles turn counter-clockwise as seen: rows run down, so x and y then vary oppositely."""
    across, along = 1.0, 2.5
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    yy, xx, xy = _covariance(gaussian_kernel((across, along), angle_degrees=angle, radius_px=20))
    assert xx == pytest.approx((along * cosine) ** 2 + (across * sine) ** 2, rel=1e-6)
    assert yy == pytest.approx((along * sine) ** 2 + (across * cosine) ** 2, rel=1e-6)
    assert xy == pytest.approx((across**2 - along**2) * sine * cosine, rel=1e-6, abs=1e-9)


def test_gaussian_reaches_four_sigmas() -> None:
    assert gaussian_kernel((1.0, 2.0)).shape == (9, 17)
    assert gaussian_kernel((1.0, 2.0), angle_degrees=90).shape == (17, 9)
    assert gaussian_kernel((0.0, 0.0)).tolist() == [[1.0]]
    assert gaussian_kernel((0.0, 1.0)).shape == (1, 9)


@pytest.mark.parametrize("radius", [0.3, 0.5, 1.0, 1.7, 4.25])
def test_disc_equals_a_fine_count(radius: float) -> None:
    kernel, fine = disc_kernel(radius), 400
    size = kernel.shape[0]
    assert size == 2 * math.ceil(max(radius - 0.5, 0)) + 1
    place = (np.arange(size * fine) + 0.5) / fine - size / 2
    inside = place[:, None] ** 2 + place[None, :] ** 2 <= radius**2
    area = inside.reshape(size, fine, size, fine).mean((1, 3))
    assert np.abs(kernel.numpy() - area / (math.pi * radius**2)).max() < 2e-4 / radius


def test_disc_in_its_middle_is_even() -> None:
    assert float(disc_kernel(3.0)[3, 3]) == pytest.approx(1 / (9 * math.pi), rel=1e-12)


@pytest.mark.parametrize(("length", "angle"), [(3.0, 0.0), (6.4, 33.0), (9.0, 135.0), (0.7, 80.0), (5.5, -71.0)])
def test_motion_equals_points_along_the_line(length: float, angle: float) -> None:
    kernel, count = motion_kernel(length, angle), 400_000
    place = ((np.arange(count) + 0.5) / count - 0.5) * length
    rows = np.rint(-place * math.sin(math.radians(angle))).astype(int) + kernel.shape[0] // 2
    cols = np.rint(place * math.cos(math.radians(angle))).astype(int) + kernel.shape[1] // 2
    found = np.zeros(tuple(kernel.shape))
    np.add.at(found, (rows, cols), 1 / count)
    assert np.abs(kernel.numpy() - found).max() < 2e-5


def test_motion_by_hand() -> None:
    assert motion_kernel(0.0, 12.0).tolist() == [[1.0]]
    assert motion_kernel(3.0, 0.0).tolist() == [[pytest.approx(1 / 3)] * 3]
    assert torch.allclose(motion_kernel(4.0, 90.0), motion_kernel(4.0, 0.0).T, atol=1e-12)
    rising = motion_kernel(3 * math.sqrt(2), 45.0)
    assert torch.allclose(rising, torch.eye(3, dtype=torch.float64).flip(1) / 3, atol=1e-9)


def test_box_by_hand() -> None:
    kernel = box_kernel((1.0, 2.5))
    assert kernel.shape == (1, 3)
    assert kernel[0].tolist() == pytest.approx([0.3, 0.4, 0.3])
    assert box_kernel((3.0, 0.2)).shape == (3, 1)
    assert torch.allclose(box_kernel((2.0, 2.0)), torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).double() / 16)


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_refuses_what_is_no_length(bad: float) -> None:
    for make in (
        lambda: gaussian_kernel((1.0, bad)),
        lambda: disc_kernel(bad),
        lambda: motion_kernel(bad, 0.0),
        lambda: box_kernel((bad, 1.0)),
    ):
        with pytest.raises(ValueError, match="not negative"):
            make()
