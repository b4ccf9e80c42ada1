"""The robust solver on samples whose picture is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsr.metrics import psnr
from vsr.observation import GaussianBlur, PointSampler, resample
from vsr.solvers import FrameSamples, FusionSettings, fuse
from vsr.solvers import fusion as fusion_module
from vsr.solvers.prior import edge_preserving_prior

SETTINGS = FusionSettings((0.9, 0.9), 1.0, 3, 8)


def _truth(height: int = 64, width: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    picture = resample(torch.rand(height // 3, width // 3, generator=generator), (height, width)).clamp(0, 1)
    picture[20:40, 24:44] = 0.9
    return picture


def _frame(truth: Tensor, shift: tuple[float, float], reference: bool, noise: float = 0.004) -> FrameSamples:
    """Every second pixel of the blurred truth, read ``shift`` pixels off."""
    height, width = truth.shape[0] // 2, truth.shape[1] // 2
    rows = (torch.arange(height)[:, None] * 2 + 0.5 + shift[0]).expand(height, width)
    cols = (torch.arange(width)[None, :] * 2 + 0.5 + shift[1]).expand(height, width)
    sampler = PointSampler(rows.reshape(-1), cols.reshape(-1), (truth.shape[0], truth.shape[1]))
    values = sampler.A(GaussianBlur(0.81, 0.81).A(truth)).reshape(height, width)
    generator = torch.Generator().manual_seed(int(1000 * sum(shift)))
    values = values + noise * torch.randn(values.shape, generator=generator)
    contrast = torch.full_like(values, 0.1)
    trust = torch.full_like(values, 3.0 if reference else 1.0)
    return FrameSamples(values, rows, cols, trust, contrast, reference)


SHIFTS = ((0.0, 0.0), (0.9, 0.2), (-0.8, 0.7), (0.3, -1.0), (1.1, 1.0))


def _start(frame: FrameSamples, truth: Tensor) -> Tensor:
    return resample(frame.values, (truth.shape[0], truth.shape[1]))


def test_more_frames_are_better_and_one_is_better_than_none() -> None:
    truth = _truth()
    frames = [_frame(truth, shift, index == 0) for index, shift in enumerate(SHIFTS)]
    start = _start(frames[0], truth)
    interpolated = psnr(start, truth, peak=1.0, crop=4)
    one = psnr(fuse(start, frames[:1], SETTINGS, 0.004), truth, peak=1.0, crop=4)
    all_ = psnr(fuse(start, frames, SETTINGS, 0.004), truth, peak=1.0, crop=4)
    assert one > interpolated + 0.5
    assert all_ > one + 1.0


def test_a_wrong_frame_and_bad_pixels_do_little_harm() -> None:
    truth = _truth()
    frames = [_frame(truth, shift, index == 0) for index, shift in enumerate(SHIFTS)]
    start = _start(frames[0], truth)
    clean = psnr(fuse(start, frames, SETTINGS, 0.004), truth, peak=1.0, crop=4)
    misplaced = _frame(truth.flip(0), (0.4, 0.4), reference=False)
    frames[1].values.view(-1)[::37] = 1.0
    harmed = psnr(fuse(start, [*frames, misplaced], SETTINGS, 0.004), truth, peak=1.0, crop=4)
    assert harmed > clean - 1.5


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = _truth(400, 48)
    frames = [_frame(truth, shift, index == 0) for index, shift in enumerate(SHIFTS)]
    start = _start(frames[0], truth)
    whole = fuse(start, frames, SETTINGS, 0.004)
    monkeypatch.setattr(fusion_module, "_STRIP_PIXELS", 128 * 48)
    strips = fuse(start, frames, SETTINGS, 0.004)
    assert strips.shape == whole.shape
    assert not torch.equal(strips, whole)
    assert (strips - whole).abs().max() < 0.02
    seam = (strips - whole)[124:132].abs().mean()
    assert seam < 2e-3


def test_prior_matrix_is_the_sum_of_weighted_squares() -> None:
    generator = torch.Generator().manual_seed(3)
    x, u = torch.rand(2, 7, 9, generator=generator, dtype=torch.float64)
    strength, knee = torch.tensor(0.3), torch.tensor(0.2)
    expected = 0.0
    for dy, dx, share in ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.6), (1, -1, 0.6)):
        for row in range(7):
            for col in range(9):
                if row + dy < 7 and 0 <= col + dx < 9:
                    slope = abs(float(x[row + dy, col + dx] - x[row, col]))
                    step = float(u[row + dy, col + dx] - u[row, col])
                    expected += 0.3 * share * step**2 / max(slope, 0.2)
    matrix = edge_preserving_prior(x, strength.double(), knee.double())
    assert float((u * matrix.apply(u)).sum()) == pytest.approx(expected, rel=1e-5)
    assert matrix.apply(torch.ones_like(u)).abs().max() < 1e-12
