"""Blur and scattered reading against closed forms (adjoints: see tests/contracts/test_operators.py)."""

from __future__ import annotations

import math

import pytest
import torch

from vsr.observation import GaussianBlur, NormalEquations, PointSampler, SymmetricBlur, mean_blur, reading_blur


def test_blur_of_a_wave_is_the_wave_damped() -> None:
    """A Gaussian of standard deviation s multiplies frequency w by exp(-s²w²/2)."""
    sigma, frequency = 1.2, 2 * math.pi / 16
    wave = torch.sin(frequency * torch.arange(128, dtype=torch.float64)).expand(5, 128)
    got = GaussianBlur(0.7, sigma).A(wave)[2, 20:-20]
    expected = math.exp(-0.5 * (sigma * frequency) ** 2) * wave[2, 20:-20]
    assert (got - expected).abs().max() < 4e-3  # the kernel is cut at 3 sigma


def test_blur_keeps_constants_and_sums() -> None:
    blur = GaussianBlur(2.0, 0.5)
    assert (blur.A(torch.full((4, 6), 7.0)) - 7).abs().max() < 1e-5
    spike = torch.zeros(9, 9, dtype=torch.float64)
    spike[0, 8] = 1
    assert blur.A(spike).sum() == pytest.approx(1)


def test_no_blur_is_the_identity() -> None:
    image = torch.rand(5, 7)
    assert torch.equal(GaussianBlur(0.0, 0.0).A(image), image)
    with pytest.raises(ValueError, match="negative"):
        GaussianBlur(-1.0, 0.0)


def _impulse(size: int = 31) -> torch.Tensor:
    spike = torch.zeros(size, size, dtype=torch.float64)
    spike[size // 2, size // 2] = 1
    return spike


def test_mean_blur_lies_between() -> None:
    """Taps of either axis are mixed; the wider blur gives the radius."""
    first, second = GaussianBlur(0.0, 0.6), GaussianBlur(1.5, 2.0)
    mixed = mean_blur(first, second, 0.25).A(_impulse())
    for axis in (0, 1):
        expected = 0.75 * first.A(_impulse()).sum(axis) + 0.25 * second.A(_impulse()).sum(axis)
        assert torch.allclose(mixed.sum(axis), expected, rtol=0, atol=1e-12)
    assert torch.linalg.matrix_rank(mixed, atol=1e-12) == 1, "separable"


def test_mean_blur_at_its_ends_is_one_of_both() -> None:
    first, second, image = GaussianBlur(0.7, 0.6), GaussianBlur(1.5, 2.0), _impulse()
    for share, same in ((0.0, first), (1.0, second)):
        assert torch.allclose(mean_blur(first, second, share).A(image), same.A(image), rtol=0, atol=1e-15)
        assert torch.allclose(mean_blur(second, first, 1 - share).A(image), same.A(image), rtol=0, atol=1e-15)


def _variance(blur: SymmetricBlur) -> float:
    """Of the impulse response along a row, in square pixels."""
    response = blur.A(_impulse(61)).sum(0)
    return float((response * (torch.arange(61) - 30.0) ** 2).sum())


def test_reading_blur_makes_up_for_bilinear_reading() -> None:
    """Reading at a random place blurs by a sixth of a square pixel; together they are the blur that was asked for."""
    assert _variance(reading_blur((1.8, 1.8), (4, 4))) == pytest.approx(1.8**2 - 1 / 6, rel=0.04)  # cut at 3 sigma
    assert reading_blur((0.3, 0.3), (2, 2)).A(_impulse()).equal(_impulse()), "cannot be made up for: no blur at all"


@pytest.mark.parametrize("scale", [2.0, 3.0, 4.0])
def test_reading_blur_of_bicubic_has_its_moments(scale: float) -> None:
    """Keys' cubic has no variance; what reading adds is taken off."""
    blur = reading_blur(None, (scale, scale))
    assert blur.A(_impulse()).sum() == pytest.approx(1)
    assert _variance(blur) == pytest.approx(-1 / 6, abs=0.02)


def test_sampler_reads_a_plane_exactly() -> None:
    """Bilinear reading reproduces a tilted plane anywhere, its far corner included."""
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    rows, cols = torch.tensor([0.0, 2.25, 5.0, 4.9]), torch.tensor([0.0, 6.5, 7.0, 0.3])
    sampler = PointSampler(rows, cols, (6, 8))
    assert bool(sampler.inside.all())
    assert torch.allclose(sampler.A(3 * y - 2 * x + 1), 3 * rows - 2 * cols + 1, atol=1e-5)


def test_points_outside_read_nothing() -> None:
    sampler = PointSampler(torch.tensor([-0.1, 1.0, 3.0]), torch.tensor([1.0, 4.2, 0.0]), (4, 5))
    assert sampler.inside.tolist() == [False, False, True]
    assert sampler.A(torch.ones(4, 5)).tolist() == [0.0, 0.0, 1.0]


def test_positions_rounded_out_of_the_image_read_its_border() -> None:
    sampler = PointSampler(torch.tensor([-1e-4, 3.0001, -0.02]), torch.tensor([2.0, 2.0, 2.0]), (4, 5))
    assert sampler.inside.tolist() == [True, True, False]
    assert sampler.A(torch.arange(20.0).reshape(4, 5)).tolist() == [2.0, 17.0, 0.0]


def test_spreading_keeps_the_sum_of_what_is_inside() -> None:
    generator = torch.Generator().manual_seed(3)
    rows, cols, values = torch.rand(3, 200, generator=generator, dtype=torch.float64)
    sampler = PointSampler(9 * rows - 1, 7 * cols - 1, (8, 6))
    assert 0 < int(sampler.inside.sum()) < 200
    assert float(sampler.A_adjoint(values).sum()) == pytest.approx(float(values[sampler.inside].sum()))


def test_a_point_writes_to_the_four_pixels_around_it() -> None:
    spread = PointSampler(torch.tensor([1.25]), torch.tensor([2.5]), (4, 5)).A_adjoint(torch.tensor([8.0]))
    expected = torch.zeros(4, 5)
    expected[1:3, 2:4] = torch.tensor([[3.0, 3.0], [1.0, 1.0]])
    assert torch.equal(spread, expected)


def test_float32_sums_are_close_to_float64() -> None:
    generator = torch.Generator().manual_seed(1)
    rows, cols, weights = torch.rand(3, 4000, generator=generator, dtype=torch.float64)
    images = []
    for dtype in (torch.float32, torch.float64):
        equations = NormalEquations((16, 16), dtype, torch.device("cpu"))
        sampler = PointSampler((15 * rows).to(dtype), (15 * cols).to(dtype), (16, 16))
        equations.add(sampler, weights.to(dtype), weights.to(dtype))
        images.append((equations.matrix().centre.double(), equations.right_side().double()))
    assert (images[0][0] - images[1][0]).abs().max() < 1e-4
    assert (images[0][1] - images[1][1]).abs().max() < 1e-4


def test_sampler_refuses_a_line() -> None:
    with pytest.raises(ValueError, match="2x2"):
        PointSampler(torch.zeros(1), torch.zeros(1), (1, 9))
