"""Resampling against an independent float64 computation, Pillow, and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.observation import Kernel, resample
from vsr.observation.resample import axis_taps

KERNELS: tuple[Kernel, ...] = ("lanczos", "bicubic")


def _kernel(name: str, x: float) -> float:
    """Textbook definitions, written apart from the module under test."""
    x = abs(x)
    if name == "lanczos":
        if x >= 3:
            return 0.0
        if x == 0:
            return 1.0
        return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def _reference_axis(data: np.ndarray, out: int, name: str, scale: float, offset: float) -> np.ndarray:
    """First axis of ``data`` resampled by plain loops over a widely mirrored copy."""
    size = data.shape[0]
    result = np.zeros((out, *data.shape[1:]))
    for j in range(out):
        centre = (j + 0.5 + offset) / scale - 0.5 - offset
        shrink = min(scale, 1.0)
        near, reach = round(centre), math.ceil(3 / shrink) + 2
        total = 0.0
        for i in range(near - reach, near + reach + 1):
            weight = _kernel(name, (centre - i) * shrink)
            mirrored = i % (2 * size)
            result[j] += weight * data[min(mirrored, 2 * size - 1 - mirrored)]
            total += weight
        result[j] /= total
    return result


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    ("in_hw", "out_hw", "offset_yx"),
    [
        ((13, 17), (26, 34), (0.0, 0.0)),
        ((13, 17), (26, 34), (0.0, -0.25)),
        ((12, 9), (18, 31), (0.5, -0.25)),
        ((40, 31), (13, 20), (0.0, 0.0)),
        ((7, 5), (7, 5), (0.0, 0.0)),
        ((2, 1), (9, 5), (0.0, 0.0)),
    ],
)
def test_equals_plain_loops(
    name: Kernel, in_hw: tuple[int, int], out_hw: tuple[int, int], offset_yx: tuple[float, float]
) -> None:
    data = np.random.default_rng(0).random(in_hw) * 255
    scale = (out_hw[0] / in_hw[0], out_hw[1] / in_hw[1])
    rows = _reference_axis(data, out_hw[0], name, scale[0], offset_yx[0])
    expected = _reference_axis(rows.T, out_hw[1], name, scale[1], offset_yx[1]).T
    exact = resample(torch.from_numpy(data), out_hw, kernel=name, offset_yx=offset_yx)
    assert np.abs(exact.numpy() - expected).max() < 1e-10
    single = resample(torch.from_numpy(data).float(), out_hw, kernel=name, offset_yx=offset_yx)
    assert single.dtype == torch.float32
    assert single.is_contiguous()
    assert np.abs(single.numpy() - expected).max() < 2e-4


@pytest.mark.parametrize(("name", "margin"), [("bicubic", 6), ("lanczos", 9)])
@pytest.mark.parametrize("out_wh", [(20, 15), (53, 74), (106, 74), (80, 40)])
def test_inner_part_equals_pillow(name: Kernel, margin: int, out_wh: tuple[int, int]) -> None:
    """Pillow drops what lies outside the image where MATLAB mirrors it, so only the inner part agrees."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    data = np.random.default_rng(1).random((37, 53), dtype=np.float32)
    method = image.Resampling.BICUBIC if name == "bicubic" else image.Resampling.LANCZOS
    expected = np.asarray(image.fromarray(data).resize(out_wh, method))
    got = resample(torch.from_numpy(data), (out_wh[1], out_wh[0]), kernel=name).numpy()
    edge = min(margin, min(out_wh) // 2 - 1)
    assert np.abs(got - expected)[edge:-edge, edge:-edge].max() < 2e-6


@pytest.mark.parametrize("name", KERNELS)
def test_halving_by_hand(name: Kernel) -> None:
    """Shrinking by 2 centres the widened kernel between the two middle samples."""
    _, weights = axis_taps(64, 32, name, 0.5, 0.0)
    raw = [_kernel(name, (k + 0.5) / 2) for k in range(-6, 6)]
    expected = np.array([w for w in raw if w != 0]) / sum(raw)
    got = weights[:, 16].numpy()
    assert np.allclose(got[np.abs(got) > 1e-15], expected, atol=1e-14)


@pytest.mark.parametrize("name", KERNELS)
def test_linear_ramp_keeps_its_place(name: Kernel) -> None:
    """Position is right if a ramp stays the same ramp; cubic reproduces it, Lanczos nearly."""
    ramp = torch.arange(64, dtype=torch.float64).expand(8, 64) + 0.5
    for offset in (0.0, -0.25, 0.5):
        got = resample(ramp, (8, 128), kernel=name, offset_yx=(0.0, offset))[0, 32:-32]
        position = (torch.arange(128, dtype=torch.float64)[32:-32] + 0.5 + offset) / 2 - offset
        assert (got - position).abs().max() < (1e-9 if name == "bicubic" else 0.02)


def test_left_sited_chroma_stays_on_its_luma() -> None:
    """A 4:2:0 left-sited chroma edge, doubled, is where the doubled luma has it; centred siting is not."""
    luma_x = torch.arange(64, dtype=torch.float64)  # left siting: chroma sample c sits on luma sample 2c
    ramp = luma_x[::2].expand(4, 32)  # chroma equal to the luma coordinate of its own sample
    doubled = resample(ramp, (4, 64), kernel="bicubic", offset_yx=(0.0, -0.25))
    on_luma = 2 * torch.arange(64, dtype=torch.float64)  # doubled luma sample that chroma j sits on
    expected = (on_luma + 0.5) / 2 - 0.5  # that place in the input's luma coordinates
    assert (doubled[0] - expected)[8:-8].abs().max() < 1e-9
    wrong = resample(ramp, (4, 64), kernel="bicubic")
    assert (wrong[0] - expected)[8:-8].abs().max() > 0.2


def test_scale_one_changes_nothing() -> None:
    data = torch.randint(0, 256, (9, 11), dtype=torch.uint8)
    assert torch.equal(resample(data, (9, 11)), data.float())


def test_a_shift_reads_further_right_and_below() -> None:
    """Whole samples by indexing; half a sample of a ramp by its slope."""
    image = torch.rand(9, 11, generator=torch.Generator().manual_seed(6))
    moved = resample(image, (9, 11), kernel="bicubic", shift_yx=(2.0, -1.0))
    torch.testing.assert_close(moved[:7, 1:], image[2:, :10], rtol=0, atol=1e-6)
    ramp = (3.0 * torch.arange(11.0)).expand(9, 11)
    moved = resample(ramp, (9, 11), kernel="bicubic", shift_yx=(0.0, 0.5))
    torch.testing.assert_close(moved[:, 2:8], ramp[:, 2:8] + 1.5, rtol=0, atol=1e-5)


def test_strips_do_not_show() -> None:
    """Large images are done strip by strip; the result is that of any part of them."""
    data = torch.rand(600, 1400)
    whole = resample(data, (1200, 2800))
    part = resample(data[:, 200:500], (1200, 600))
    assert torch.equal(whole[:, 420:980], part[:, 20:-20])


def test_batches_and_odd_types() -> None:
    data = torch.randint(0, 65536, (2, 3, 6, 5), dtype=torch.int32).to(torch.uint16)
    whole = resample(data, (12, 10))
    assert whole.shape == (2, 3, 12, 10)
    assert torch.equal(whole[1, 2], resample(data[1, 2], (12, 10)))


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(1, 12)] * 2), st.tuples(*[st.integers(1, 30)] * 2), st.sampled_from(KERNELS))
def test_constant_stays_constant(in_hw: tuple[int, int], out_hw: tuple[int, int], name: Kernel) -> None:
    got = resample(torch.full(in_hw, 200.0, dtype=torch.float64), out_hw, kernel=name)
    assert got.shape == out_hw
    assert (got - 200).abs().max() < 1e-9


@pytest.mark.parametrize("size", [(0, 4), (4, -1)])
def test_refuses_empty_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        resample(torch.zeros(4, 4), size)
