"""What every solver of `vsr.solvers.SOLVERS` promises."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from functools import cache

import pytest
import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.observation import reading_blur, resample
from vsr.observation.model import ObservationModel
from vsr.solvers import DEFAULT_SOLVER, SOLVERS, find_solver
from vsr.solvers.base import Observations

SCALE, SIZE, NUM_FRAMES, SIGMA = 2, 64, 12, 0.6
REWEIGHTED = ("huber-btv", "l1-btv", "l2", "irwsr", "bayesian")  # solve equations, which half precision concerns
NOT_ROBUST = {"l2", "tsai-huang", "interlace"}
WHOLE_STEPS = {"interlace", "farsiu-fast"}  # at their best where shifts are whole steps of the fine grid
CORNERS = ((-0.25, -0.25), (0.25, 0.25), (-0.25, 0.25), (0.25, -0.25))  # of 2x2 blocks, in samples


@cache
def _scene() -> Tensor:
    """Edges, discs and gratings, ``(64, 64)`` float64, 0…1."""
    y, x = torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float64)] * 2, indexing="ij")
    scene = 0.4 + 0.2 * torch.sin(2 * math.pi * (x + 0.4 * y) / 6.5) * (x < 32)
    scene = torch.where((y - 20) ** 2 + (x - 44) ** 2 < 90, 0.9, scene)
    scene = torch.where(((x - y).abs() < 3) & (y > 30), 0.1, scene)
    scene = torch.where((y > 42) & (y < 54) & (x > 44) & (x < 47), 0.8, scene)
    return _shifted(scene, (0.0, 0.0), 0.5)


def _shifted(image: Tensor, shift_px: tuple[float, float], sigma: float) -> Tensor:
    waves_y, waves_x = (torch.fft.fftfreq(size, dtype=torch.float64) for size in image.shape)
    waves_y = waves_y[:, None]
    gain = torch.exp(-2 * math.pi**2 * sigma**2 * (waves_y**2 + waves_x**2))
    turns = torch.exp(2j * math.pi * (waves_y * shift_px[0] + waves_x * shift_px[1]))
    return torch.fft.ifft2(torch.fft.fft2(image) * gain * turns).real


def _shifts(name: str, count: int) -> Tensor:
    if name in WHOLE_STEPS:
        return torch.tensor([CORNERS[k % 4] for k in range(count)], dtype=torch.float64)
    shifts = torch.rand(count, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.5
    shifts[0] = 0
    return shifts


def _model(name: str, count: int, frame_size: tuple[int, int], dtype: torch.dtype = torch.float32) -> ObservationModel:
    size = (SCALE * frame_size[0], SCALE * frame_size[1])
    blur = reading_blur((SIGMA, SIGMA), (SCALE, SCALE))
    return ObservationModel.from_shifts(frame_size, size, _shifts(name, count), blur, dtype=dtype)


@cache
def _frames(whole_steps: bool, outliers: bool = False) -> Tensor:
    name = "interlace" if whole_steps else DEFAULT_SOLVER
    generator = torch.Generator().manual_seed(2)
    frames = []
    for number, shift in enumerate(_shifts(name, NUM_FRAMES)):
        place = tuple(float(value) * SCALE + (SCALE - 1) / 2 for value in shift)
        frame = _shifted(_scene(), (place[0], place[1]), SIGMA)[::SCALE, ::SCALE]
        frame = frame + torch.randn(frame.shape, generator=generator, dtype=torch.float64) / 255
        if outliers:
            frame = torch.roll(frame, (3, 5), (0, 1)) if number == NUM_FRAMES // 2 else frame
            dice = torch.rand(frame.shape, generator=generator)
            frame = torch.where(dice < 0.02, 0.0, torch.where(dice > 0.98, 1.0, frame))
        frames.append(frame.clamp(0, 1))
    return torch.stack(frames)


def _observed(name: str, *, outliers: bool = False, dtype: torch.dtype = torch.float32) -> Observations:
    frames = _frames(name in WHOLE_STEPS, outliers).to(dtype)
    return Observations(frames, _model(name, NUM_FRAMES, (SIZE // SCALE, SIZE // SCALE), dtype))


def _start(observed: Observations) -> Tensor:
    """The median of the frames laid on each other, to within half a sample."""
    return resample(observed.frames.median(0).values, observed.model.size_yx, kernel="bicubic")


def _error(image: Tensor) -> float:
    """Root mean square, without a border of 4 pixels."""
    return float((image.double() - _scene())[4:-4, 4:-4].square().mean().sqrt())


def _bicubic_error() -> float:
    """Of the frame that shows the scene unmoved, enlarged."""
    return _error(resample(_frames(False)[0], (SIZE, SIZE), kernel="bicubic"))


@pytest.mark.parametrize("name", SOLVERS)
def test_better_than_bicubic(name: str) -> None:
    observed = _observed(name)
    assert _error(SOLVERS[name](observed, _start(observed))) < 0.75 * _bicubic_error()


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("outliers", [False, True])
def test_half_precision_costs_less_than_a_tenth_of_a_decibel(name: str, outliers: bool) -> None:
    observed = _observed(name, outliers=outliers)
    full, half = (_error(SOLVERS[name](replace(observed, half=half), _start(observed))) for half in (False, True))
    assert abs(20 * math.log10(half / full)) < 0.1


@pytest.mark.parametrize("name", REWEIGHTED)
def test_half_precision_is_used(name: str) -> None:
    observed = _observed(name)
    full, half = (SOLVERS[name](replace(observed, half=half), _start(observed)) for half in (False, True))
    assert half.dtype == full.dtype
    assert not torch.equal(full, half)


@pytest.mark.parametrize("name", [name for name in SOLVERS if name not in NOT_ROBUST])
def test_robust_ones_survive_outliers(name: str) -> None:
    observed = _observed(name, outliers=True)
    assert _error(SOLVERS[name](observed, _start(observed))) < 0.9 * _bicubic_error()


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("frame_size", [(3, 4), (17, 21)], ids=str)
def test_constant_stays_constant(name: str, value: float, count: int, frame_size: tuple[int, int]) -> None:
    model = _model(name, count, frame_size)
    observed = Observations(torch.full((count, *frame_size), value), model)
    image = SOLVERS[name](observed, torch.full(model.size_yx, value))
    assert image.shape == model.size_yx
    assert (image - value).abs().max() < 0.01


@pytest.mark.parametrize("name", SOLVERS)
def test_one_frame(name: str) -> None:
    observed = _observed(name)
    one = Observations(observed.frames[:1], _model(name, 1, (SIZE // SCALE, SIZE // SCALE)))
    image = SOLVERS[name](one, resample(one.frames[0], one.model.size_yx, kernel="bicubic"))
    assert torch.isfinite(image).all()
    assert image.min() > -0.5
    assert image.max() < 1.5


@pytest.mark.parametrize("name", SOLVERS)
def test_saturated_images(name: str) -> None:
    observed = _observed(name)
    saturated = replace(observed, frames=(observed.frames > 0.5).to(torch.float32))
    image = SOLVERS[name](saturated, _start(saturated))
    assert torch.isfinite(image).all()
    assert image.min() > -1
    assert image.max() < 2


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("confidence", ["none", "first frame only", "left half only"])
def test_little_confidence(name: str, confidence: str) -> None:
    observed = _observed(name)
    sample_weights = torch.zeros_like(observed.frames)
    if confidence == "first frame only":
        sample_weights[0] = 1
    elif confidence == "left half only":
        sample_weights[..., : SIZE // SCALE // 2] = 1
    image = SOLVERS[name](replace(observed, confidence=sample_weights), _start(observed))
    assert torch.isfinite(image).all()
    assert image.min() > -0.5
    assert image.max() < 1.5


@pytest.mark.parametrize("name", SOLVERS)
def test_distrusted_samples_count_for_nothing(name: str) -> None:
    observed = _observed(name)
    sample_weights, frames, start = torch.ones_like(observed.frames), observed.frames.clone(), _start(observed)
    sample_weights[3], sample_weights[1, 5:9, 5:9] = 0, 0
    frames[3], frames[1, 5:9, 5:9] = 1 - frames[3], 1
    first = SOLVERS[name](replace(observed, confidence=sample_weights), start)
    second = SOLVERS[name](replace(observed, frames=frames, confidence=sample_weights), start)
    assert (first - second).abs().max() < 2e-3


@pytest.mark.parametrize("name", SOLVERS)
def test_same_bytes_twice_and_inputs_left_alone(name: str) -> None:
    observed = _observed(name, outliers=True)
    start = _start(observed)
    frames_before, start_before = observed.frames.clone(), start.clone()
    first, second = SOLVERS[name](observed, start), SOLVERS[name](observed, start)
    assert torch.equal(first, second)
    assert torch.equal(observed.frames, frames_before)
    assert torch.equal(start, start_before)


@pytest.mark.parametrize("name", SOLVERS)
def test_precisions_agree(name: str) -> None:
    results = []
    for dtype in (torch.float32, torch.float64):
        observed = _observed(name, dtype=dtype)
        image = SOLVERS[name](observed, _start(observed))
        assert image.dtype == dtype
        results.append(image.double())
    assert (results[0] - results[1]).square().mean().sqrt() < 1e-3


@pytest.mark.parametrize("name", SOLVERS)
def test_known_noise_is_accepted(name: str) -> None:
    observed = replace(_observed(name), noise_sigma=2 / 255)
    assert _error(SOLVERS[name](observed, _start(observed))) < 0.8 * _bicubic_error()


@pytest.mark.parametrize("name", SOLVERS)
def test_bad_starts_are_refused(name: str) -> None:
    observed = _observed(name)
    with pytest.raises(ValueError, match="start is"):
        SOLVERS[name](observed, torch.zeros(SIZE, SIZE + 1))
    with pytest.raises(ValueError, match="NaN"):
        SOLVERS[name](observed, torch.full((SIZE, SIZE), math.nan))


def test_bad_observations_are_refused() -> None:
    observed = _observed(DEFAULT_SOLVER)
    with pytest.raises(ValueError, match="NaN"):
        replace(observed, frames=torch.full_like(observed.frames, math.nan))
    for value in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="confidence"):
            replace(observed, confidence=torch.full_like(observed.frames, value))


@pytest.mark.parametrize("name", SOLVERS)
def test_motion_that_is_no_shift(name: str) -> None:
    observed = _observed(name)
    wave = 0.3 * torch.sin(observed.model.rows / 9)
    dense = replace(observed, model=observed.model.moved(wave, -wave))
    if SOLVERS[name].requires == "any":
        assert torch.isfinite(SOLVERS[name](dense, _start(observed))).all()
    else:
        with pytest.raises(ValueError, match=f"{name} needs frames that are shifted as a whole"):
            SOLVERS[name](dense, _start(observed))


@pytest.mark.parametrize("name", SOLVERS)
def test_rows_are_well_formed(name: str) -> None:
    spec = SOLVERS[name]
    assert spec.name == name
    assert spec.summary
    assert "\n" not in spec.summary
    assert is_dataclass(spec.options_type)
    options = spec.options_type()
    for field in fields(spec.options_type):
        with pytest.raises(FrozenInstanceError):
            setattr(options, field.name, None)


def test_default_is_known_and_first() -> None:
    assert next(iter(SOLVERS)) == DEFAULT_SOLVER


def test_unknown_solver_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'huber-btv'"):
        find_solver("huber_btv")


def test_duplicate_names_are_refused() -> None:
    from vsr.tables import table_of

    with pytest.raises(ValueError, match="'l2'"):
        table_of("solvers", [SOLVERS["l2"], SOLVERS["l2"]])
