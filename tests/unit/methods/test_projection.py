"""Agreement with what was recorded, by as little change as possible."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsr.methods.consistency import project, rms
from vsr.observation import Recording, resample

SIZE, SMALL, SCALE = (48, 64), (12, 16), (4.0, 4.0)


def _random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _hr() -> Tensor:
    return resample(_random(14, 18), SIZE, kernel="bicubic").clamp(0, 1) * 255


@pytest.mark.parametrize("name", ["BI", "BD", "camera"])
def test_it_reaches_the_requested_residual(name: str) -> None:
    recording = Recording(SIZE, SMALL, name, SCALE)
    hr = _hr()
    recorded = recording.A(hr)
    start = hr + 20 * _random(*SIZE, seed=2)
    for requested in (3.0, 0.3, 0.03):
        result = project(start, recorded, recording, requested)
        assert rms(recorded - recording.A(result)) == pytest.approx(requested, rel=1e-3)
        assert rms(result - hr) < rms(start - hr), "a projection comes nearer to all that agrees"


def test_it_is_the_nearest_that_agrees() -> None:
    """Closed form: x + Aᵀ (A Aᵀ)⁻¹ (y − A x), of which conjugate gradients are the limit."""
    recording = Recording((12, 16), (3, 4), "BI", SCALE)
    start, recorded = 255 * _random(12, 16), 255 * _random(3, 4, seed=5)
    matrix = torch.stack([recording.A(unit.view(12, 16)).flatten() for unit in torch.eye(192).double()], 1)
    missing = recorded.flatten() - matrix @ start.flatten()
    nearest = start.flatten() + matrix.T @ torch.linalg.solve(matrix @ matrix.T, missing)
    result = project(start, recorded, recording, 1e-9)
    torch.testing.assert_close(result.flatten(), nearest, rtol=0, atol=1e-6)


def test_what_agrees_already_stays() -> None:
    recording = Recording(SIZE, SMALL, "BI", SCALE)
    start = _hr()
    recorded = recording.A(start) + 0.5
    assert project(start, recorded, recording, 0.6) is start


def test_noise_is_not_fitted() -> None:
    """The discrepancy principle: what is left is noise, and the result is nearer to ground truth than a full fit."""
    recording = Recording(SIZE, SMALL, "BI", SCALE)
    hr = _hr()
    noise = 4 * torch.randn(*SMALL, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    recorded = recording.A(hr) + noise
    start = hr + 6 * torch.sin(torch.arange(64.0, dtype=torch.float64) / 9)  # recorded wrongly, and not noisy
    assert rms(recorded - recording.A(start)) > 1.2 * rms(noise)
    stopped = project(start, recorded, recording, rms(noise))
    fitted = project(start, recorded, recording, 0.01)
    assert rms(recorded - recording.A(stopped)) == pytest.approx(rms(noise), rel=1e-3)
    assert rms(stopped - hr) < rms(fitted - hr)


def test_nothing_is_changed_in_place_and_float32_will_do() -> None:
    recording = Recording(SIZE, SMALL, "camera", SCALE)
    start, recorded = (255 * _random(*SIZE)).float(), (255 * _random(*SMALL, seed=3)).float()
    before = (start.clone(), recorded.clone())
    result = project(start, recorded, recording, 0.3)
    assert result.dtype == torch.float32
    assert rms(recorded - recording.A(result)) == pytest.approx(0.3, rel=0.01)
    assert torch.equal(start, before[0])
    assert torch.equal(recorded, before[1])
