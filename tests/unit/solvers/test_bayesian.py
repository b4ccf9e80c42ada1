"""Noise, blur and motion as the Bayesian solver finds them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from skimage import data
from torch import Tensor

from vsr.observation import reading_blur, resample
from vsr.observation.model import ObservationModel
from vsr.solvers.base import Observations
from vsr.solvers.bayesian import BayesianOptions, estimate_psf, frame_precisions, solve_bayesian, take_motion_step

SIZE, SCALE, NUM_FRAMES = 192, 2, 8


def _gain(size: int, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    waves = torch.fft.fftfreq(size, dtype=torch.float64)
    return torch.exp(-2 * math.pi**2 * sigma**2 * (waves[:, None] ** 2 + waves**2)), waves[:, None], waves


def _photograph() -> Tensor:
    """A part of scikit-image's photograph of a cameraman, 0…1."""
    return torch.from_numpy(data.camera()[60 : 60 + SIZE, 150 : 150 + SIZE] / 255.0)


SCENE = _photograph()


def _observe(sigma: float, shifts: Tensor) -> Observations:
    gain, y, x = _gain(SIZE, sigma)
    generator, frames = torch.Generator().manual_seed(4), []
    for shift in shifts * SCALE + (SCALE - 1) / 2:
        turned = torch.fft.fft2(SCENE) * gain * torch.exp(2j * math.pi * (y * shift[0] + x * shift[1]))
        frame = torch.fft.ifft2(turned).real[::SCALE, ::SCALE]
        frames.append(frame + torch.randn(frame.shape, generator=generator, dtype=torch.float64) * 2 / 255)
    blur = reading_blur((sigma, sigma), (SCALE, SCALE))
    model = ObservationModel.from_shifts((SIZE // SCALE,) * 2, (SIZE, SIZE), shifts, blur)
    return Observations(torch.stack(frames).float(), model)


def _shifts() -> Tensor:
    shifts = torch.rand(NUM_FRAMES, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64) - 0.5
    shifts[0] = 0
    return shifts


def _start(observed: Observations) -> Tensor:
    return resample(observed.frames[0], (SIZE, SIZE), kernel="bicubic")


def _error(image: Tensor) -> float:
    return float((image.double() - SCENE)[8:-8, 8:-8].square().mean().sqrt())


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.4])
def test_blur_is_found(sigma: float) -> None:
    """Too wide a blur costs less than too narrow a one."""
    observed = _observe(sigma, _shifts())
    wrong = replace(observed.model, blur=reading_blur((2.0, 2.0), (SCALE, SCALE)))
    found = estimate_psf(replace(observed, model=wrong), _start(observed))
    assert found is not None
    assert 0.92 * sigma < found < 1.15 * sigma


def test_blur_cannot_be_estimated_of_nothing() -> None:
    observed = _observe(1.0, _shifts())
    flat = replace(observed, frames=torch.full_like(observed.frames, 0.5))
    assert estimate_psf(flat, torch.full((SIZE, SIZE), 0.5)) is None
    small = ObservationModel.from_shifts((12, 12), (24, 24), torch.zeros(1, 2), observed.model.blur)
    assert estimate_psf(Observations(torch.rand(1, 12, 12), small), torch.rand(24, 24)) is None


def test_blind_is_better_than_a_wrong_blur() -> None:
    observed = _observe(1.0, _shifts())
    wrong = replace(observed, model=replace(observed.model, blur=reading_blur((1.5, 1.5), (SCALE, SCALE))))
    errors = [_error(solve_bayesian(wrong, _start(wrong), BayesianOptions(blind=blind))) for blind in (False, True)]
    assert errors[1] < 0.7 * errors[0]


def test_noisy_frames_count_less() -> None:
    generator = torch.Generator().manual_seed(6)
    residual = torch.randn(3, 40, 40, generator=generator) * torch.tensor([0.01, 0.02, 0.1])[:, None, None]
    residual[0, :2] = 1.0  # defects, 5 %
    found = frame_precisions(residual, torch.ones_like(residual), 1.0, 0.0)
    mean = 0.01 * math.sqrt(2 / math.pi)
    assert found[1] / found[2] == pytest.approx(5, rel=0.1)
    assert found[0] / found[1] == pytest.approx(2, rel=0.15)
    assert found[0] == pytest.approx(1 / mean, rel=0.3)
    assert frame_precisions(residual, torch.zeros_like(residual), 1.0, 0.1).eq(0).all()


@pytest.mark.parametrize("dense", [False, True])
def test_motion_is_corrected(dense: bool) -> None:
    true_shifts = _shifts()
    observed = _observe(1.0, true_shifts)
    error = 0.15 * torch.randn(NUM_FRAMES, 2, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    error[0] = 0
    size = (SIZE // SCALE, SIZE // SCALE)
    off = ObservationModel.from_shifts(size, (SIZE, SIZE), true_shifts + error, observed.model.blur)
    wrong = replace(observed, model=replace(off, shifts_yx=None) if dense else off)
    plain = solve_bayesian(wrong, _start(wrong), BayesianOptions())
    refined = solve_bayesian(wrong, _start(wrong), BayesianOptions(refine_motion=True))
    assert _error(refined) < 0.9 * _error(plain)
    step = take_motion_step(wrong, SCENE.float(), torch.ones_like(observed.frames)).model
    before, after = ((model.rows - observed.model.rows).square().mean().sqrt() for model in (wrong.model, step))
    assert after < 0.5 * before
    assert (step.shifts_yx is None) == dense
    if not dense:
        assert (step.shifts_yx - true_shifts).square().mean().sqrt() < 0.5 * error.square().mean().sqrt()
