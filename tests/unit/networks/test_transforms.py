"""Block transforms: Haar's by hand, the cosine transform against SciPy, both undone exactly."""

from __future__ import annotations

import pytest
import scipy.fft
import torch

from vsr.networks.transforms import block_kernels, cosine_matrix, from_bands, to_bands


def test_haar_by_hand() -> None:
    a, b, c, d = 1.0, 2.0, 4.0, 8.0
    split = to_bands(torch.tensor([[[[a, b], [c, d]]]]), block_kernels())
    assert split.flatten().tolist() == [7.5, (a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2]


def test_bands_of_all_channels_come_together() -> None:
    """Two flat channels: their means first, nothing behind."""
    images = torch.stack([torch.full((4, 6), 1.0), torch.full((4, 6), 3.0)])[None]
    split = to_bands(images, block_kernels())
    assert split.shape == (1, 8, 2, 3)
    assert split[0, :, 0, 0].tolist() == [2.0, 6.0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("size", [2, 4, 8])
def test_against_scipy(size: int) -> None:
    image = torch.rand(1, 1, size, size, dtype=torch.float64)
    expected = scipy.fft.dctn(image[0, 0].numpy(), norm="ortho")
    split = to_bands(image, block_kernels(size)).reshape(size, size)
    torch.testing.assert_close(split, torch.from_numpy(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [2, 4, 8])
def test_undone(size: int) -> None:
    kernels = block_kernels(size)
    images = torch.rand(2, 3, 3 * size, 5 * size)
    torch.testing.assert_close(from_bands(to_bands(images, kernels), kernels), images, rtol=0, atol=1e-5)
    matrix = cosine_matrix(size)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(size), rtol=0, atol=1e-5)


def test_haar_of_codes_is_undone_to_the_bit() -> None:
    codes = torch.randint(0, 1 << 16, (1, 3, 8, 8)).float()
    kernels = block_kernels()
    assert torch.equal(from_bands(to_bands(codes, kernels), kernels), codes)
