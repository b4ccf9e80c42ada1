"""Blur by any kernel against scipy, and the border's transpose against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from vsr.observation import GaussianBlur, KernelBlur, VaryingBlur, box_kernel, disc_kernel, gaussian_kernel
from vsr.observation.borders import fold_mirrored, mirror

ODD = st.integers(0, 5).map(lambda n: 2 * n + 1)
SIZE = st.integers(1, 14)


@settings(max_examples=80, deadline=None)
@given(ODD, ODD, SIZE, SIZE, st.integers(0, 1000), st.booleans())
def test_equals_scipy(kh: int, kw: int, height: int, width: int, seed: int, separable: bool) -> None:
    """Kernels without symmetry, also larger than the image."""
    random = np.random.default_rng(seed)
    kernel = np.outer(random.normal(size=kh), random.normal(size=kw)) if separable else random.normal(size=(kh, kw))
    image = random.normal(size=(height, width))
    blur = KernelBlur(torch.from_numpy(kernel))
    assert blur.is_separable == (separable or min(kh, kw) == 1)
    expected = ndimage.convolve(image, kernel, mode="reflect")
    assert np.abs(blur.A(torch.from_numpy(image)).numpy() - expected).max() < 1e-10 * (1 + np.abs(kernel).sum())


def test_strips_do_not_show() -> None:
    """Large images are done strip by strip."""
    image = np.random.default_rng(1).random((700, 450))
    kernel = disc_kernel(2.3)
    got = KernelBlur(kernel).A(torch.from_numpy(image)).numpy()
    assert np.abs(got - ndimage.convolve(image, kernel.numpy(), mode="reflect")).max() < 1e-12


def test_a_point_becomes_the_kernel() -> None:
    kernel = torch.rand(3, 5, dtype=torch.float64)
    point = torch.zeros(7, 9, dtype=torch.float64)
    point[3, 4] = 1
    assert torch.allclose(KernelBlur(kernel).A(point)[2:5, 2:7], kernel)


def test_gaussian_kernel_blurs_as_gaussian_blur() -> None:
    """Both cut at 3 sigmas."""
    image = torch.rand(20, 30, dtype=torch.float64)
    kernel = gaussian_kernel((2.0, 2.0), radius_px=6)
    assert torch.allclose(KernelBlur(kernel).A(image), GaussianBlur(2.0, 2.0).A(image), atol=1e-12)


def test_knows_products_from_others() -> None:
    assert KernelBlur(gaussian_kernel((1.0, 2.0))).is_separable
    assert KernelBlur(box_kernel((2.2, 3.1)).float()).is_separable
    assert not KernelBlur(gaussian_kernel((1.0, 2.0), angle_degrees=30)).is_separable
    assert not KernelBlur(disc_kernel(2.0)).is_separable
    assert KernelBlur(torch.zeros(3, 3)).A(torch.ones(4, 4)).abs().max() == 0


@settings(max_examples=60, deadline=None)
@given(SIZE, st.integers(0, 40))
def test_fold_is_the_transpose_of_mirroring(size: int, radius: int) -> None:
    matrix = mirror(torch.eye(size, dtype=torch.float64), radius, 0)
    assert np.array_equal(matrix.numpy(), np.pad(np.eye(size), ((radius, radius), (0, 0)), mode="symmetric"))
    folded = fold_mirrored(torch.eye(size + 2 * radius, dtype=torch.float64), radius, 0)
    assert torch.equal(folded, matrix.T)


def test_varying_blur_takes_each_pixel_from_its_own_kernel() -> None:
    kernels = [gaussian_kernel((0.7, 0.7)), disc_kernel(2.0)]
    image = torch.rand(12, 10, dtype=torch.float64)
    index = torch.zeros(12, 10, dtype=torch.int64)
    index[:, 6:] = 1
    got = VaryingBlur.from_index(kernels, index).A(image)
    assert torch.allclose(got[:, :6], KernelBlur(kernels[0]).A(image)[:, :6])
    assert torch.allclose(got[:, 6:], KernelBlur(kernels[1]).A(image)[:, 6:])


def test_varying_blur_mixes_by_weight_and_keeps_its_own_copy() -> None:
    kernels = [gaussian_kernel((0.7, 0.7)), disc_kernel(2.0)]
    image, share = torch.rand(12, 10, dtype=torch.float64), torch.rand(12, 10, dtype=torch.float64)
    weights = torch.stack([share, 1 - share])
    blur = VaryingBlur(kernels, weights)
    weights.zero_()
    first, second = (KernelBlur(kernel).A(image) for kernel in kernels)
    assert torch.allclose(blur.A(image), share * first + (1 - share) * second)


def test_refuses_what_is_no_kernel() -> None:
    for bad in (torch.zeros(2, 3), torch.zeros(3), torch.zeros(3, 0)):
        with pytest.raises(ValueError, match="odd"):
            KernelBlur(bad)
    for bad in (torch.ones(3, 3, dtype=torch.int64), torch.full((1, 1), torch.nan)):
        with pytest.raises(ValueError, match="finite"):
            KernelBlur(bad)


def test_refuses_weights_that_do_not_fit() -> None:
    kernels = [torch.ones(1, 1), torch.ones(1, 1)]
    with pytest.raises(ValueError, match="2 kernels"):
        VaryingBlur(kernels, torch.ones(3, 4, 4))
    with pytest.raises(ValueError, match="sum to 1"):
        VaryingBlur(kernels, torch.ones(2, 4, 4))
    with pytest.raises(ValueError, match="must lie"):
        VaryingBlur.from_index(kernels, torch.full((4, 4), 2))
    with pytest.raises(ValueError, match="whole numbers"):
        VaryingBlur.from_index(kernels, torch.zeros(4, 4))
