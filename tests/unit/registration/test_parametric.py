"""One motion for a whole image: how exact it is, how far it reaches, and that it knows when it failed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_scenes import SIZE, flow_of, photograph, recorded, texture, turned
from numpy.typing import NDArray
from torch import Tensor

from vsr.registration import MotionModel, Registration, parametric, register, register_many
from vsr.registration.parametric import MIN_REGISTER_SIZE

MODELS: tuple[MotionModel, ...] = ("translation", "affine", "homography")
DAMAGES: dict[str, dict[str, float]] = {
    "clean": {"noise": 0.0},
    "noise": {},
    "salt and pepper": {"impulses": 0.05},
    "brightness": {"gain": 0.8, "offset": 0.05},
}


def _tilted() -> NDArray[np.float64]:
    matrix = turned(1.5, 1.01, (1.7, -2.4))
    matrix[2, :2] = 1.5e-4, -1e-4
    return matrix / matrix[2, 2]


def _miss(found: Registration, true_motion: NDArray[np.float64]) -> float:
    """Root mean square distance, over all pixels, of where they are said to go from where they go."""
    assert found.converged, found.reason
    return float((found.flow((SIZE, SIZE)) - flow_of(true_motion)).square().sum(0).mean().sqrt())


@pytest.mark.parametrize("damage", DAMAGES)
def test_shifts_of_aliased_photographs_to_a_hundredth_of_a_pixel(damage: str) -> None:
    rng = np.random.default_rng(4)
    squares = []
    for name in ("camera", "astronaut", "coffee"):
        before = {k: v for k, v in DAMAGES[damage].items() if k not in ("gain", "offset")}
        a = recorded(photograph(name), 0, **before)
        for seed in (1, 2):
            dy, dx = rng.uniform(-3, 3, 2)
            b = recorded(photograph(name, (dy, dx)), seed, **DAMAGES[damage])
            squares.append(_miss(register(a, b, "translation"), turned(0, 1, (dy, dx))) ** 2)
    assert math.sqrt(np.mean(squares)) < 0.01


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("model", ["affine", "homography"])
def test_turns_zooms_and_tilts_of_an_aliased_texture(model: MotionModel, damage: str) -> None:
    true_motion = turned(2.5, 1.015, (2.3, -3.6)) if model == "affine" else _tilted()
    before = {k: v for k, v in DAMAGES[damage].items() if k not in ("gain", "offset")}
    a, b = recorded(texture(), 0, **before), recorded(texture(true_motion), 1, **DAMAGES[damage])
    assert _miss(register(a, b, model), true_motion) < 0.02


def test_too_simple_a_model_is_worse() -> None:
    true_motion = turned(2)
    a, b = recorded(texture(), 0), recorded(texture(true_motion), 1)
    found = register(a, b, "translation")
    assert not found.converged or _miss(found, true_motion) > 0.5
    assert _miss(register(a, b, "affine"), true_motion) < 0.02


@given(degrees=st.floats(-8, 8), zoom=st.floats(0.94, 1.06), y=st.floats(-15, 15), x=st.floats(-15, 15))
@settings(max_examples=12, deadline=None)
def test_reaches_far(degrees: float, zoom: float, y: float, x: float) -> None:
    true_motion = turned(degrees, zoom, (y, x))
    found = register(recorded(texture(seed=3), 0), recorded(texture(true_motion, seed=3), 1), "affine")
    assert _miss(found, true_motion) < 0.05


def test_shifts_by_nearly_a_third() -> None:
    shift = (40.25, -33.6)
    found = register(recorded(photograph("camera"), 0), recorded(photograph("camera", shift), 1), "translation")
    assert _miss(found, turned(0, 1, shift)) < 0.03


def test_other_motion_in_a_third_of_the_image_matters_little() -> None:
    a, b = recorded(photograph("astronaut"), 0), recorded(photograph("astronaut", (0.4, -1.3)), 1)
    b[:, : SIZE // 3] = recorded(photograph("gravel"), 2)[:, : SIZE // 3]
    assert _miss(register(a, b, "translation"), turned(0, 1, (0.4, -1.3))) < 0.02


def test_steps_are_lengthened_to_where_they_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a third of the image moves a little differently: fewer steps, to the same place."""
    steps: list[tuple[Any, ...]] = []
    improve = parametric.improve
    monkeypatch.setattr(parametric, "improve", lambda *given: (steps.append(given), improve(*given))[1])
    pairs = []
    for name in ("camera", "astronaut", "coffee"):
        a, b = recorded(photograph(name), 0), recorded(photograph(name, (0.4, -1.3)), 1)
        b[: SIZE // 3] = recorded(photograph(name, (1.0, -1.9)), 2)[: SIZE // 3]
        pairs.append((a, b))
    quick, count = [register(a, b) for a, b in pairs], len(steps)
    monkeypatch.setattr(parametric._Acceleration, "further", lambda self, start, end, shrinks: end)
    plain = [register(a, b) for a, b in pairs]
    assert count < 0.8 * (len(steps) - count)
    for one, other in zip(quick, plain, strict=True):
        difference = (one.flow((SIZE, SIZE)) - other.flow((SIZE, SIZE))).abs().max()
        assert one.converged
        assert float(difference) < 0.5 * other.deviation_px


def test_weights_say_what_to_follow() -> None:
    left, right = (0.4, -1.3), (-2.2, 1.7)
    a, b = recorded(photograph("coffee"), 0), recorded(photograph("coffee", left), 1)
    b[:, SIZE // 2 :] = recorded(photograph("coffee", right), 1)[:, SIZE // 2 :]
    weights = torch.zeros(SIZE, SIZE)
    weights[:, : SIZE // 2 - 6] = 1
    assert _miss(register(a, b, "translation", weights=weights), turned(0, 1, left)) < 0.03
    assert _miss(register(a, b, "translation", weights=weights.flip(1)), turned(0, 1, right)) < 0.03


def test_initial_motion_replaces_the_search() -> None:
    true_motion = turned(90)  # too far from the shift that phase correlation finds
    a, b = recorded(texture(), 0), recorded(texture(true_motion), 1)
    assert not register(a, b, "affine").converged
    start = Registration(torch.from_numpy(turned(87)), "affine", True, 1.0, 0.0, 0.0)
    assert _miss(register(a, b, "affine", initial=start), true_motion) < 0.03


@pytest.mark.parametrize("name", ["camera", "gravel", "moon"])
@pytest.mark.parametrize("noise", [2 / 255, 8 / 255])
def test_expected_deviation_is_about_the_error(noise: float, name: str) -> None:
    errors, expected = [], []
    for seed in range(4):
        shift = (0.3 * seed, 1.0 - 0.4 * seed)
        a, b = recorded(photograph(name), seed, noise=noise), recorded(photograph(name, shift), seed + 9, noise=noise)
        found = register(a, b, "affine")
        miss = (found.flow((SIZE, SIZE)) - flow_of(turned(0, 1, shift))).norm(dim=0)
        errors.append(float(miss.max()))
        expected.append(found.deviation_px)
    assert 0.3 < math.sqrt(np.mean(np.square(errors))) / np.mean(expected) < 3


def test_residual_and_correlation_tell_noise() -> None:
    pairs = [
        (recorded(photograph("camera"), 0, noise=n), recorded(photograph("camera"), 1, noise=n)) for n in (0, 0.04)
    ]
    clean, noisy = (register(*pair, "translation") for pair in pairs)
    assert clean.residual < 0.002
    assert clean.correlation > 0.999
    assert 0.3 * 0.04 < noisy.residual < 0.04
    assert noisy.correlation < clean.correlation


def test_residual_is_what_brightness_does_not_explain() -> None:
    a = recorded(photograph("camera"), 0)
    same, darker = (recorded(photograph("camera", (0.4, 0.1)), 1, gain=g, offset=o) for g, o in ((1, 0), (0.7, 0.1)))
    assert register(a, darker, "affine").residual < 1.5 * register(a, same, "affine").residual


def test_many_is_one_by_one() -> None:
    a = recorded(photograph("camera"), 0)
    others = torch.stack([recorded(photograph("camera", (0.3 * k, -0.7 * k)), k) for k in range(3)])
    for found, other in zip(register_many(a, others, "affine"), others, strict=True):
        alone = register(a, other, "affine")
        assert torch.equal(found.matrix, alone.matrix)
        assert found.residual == alone.residual
    assert register_many(a, others[:0], "affine") == []


def test_images_of_many_pixels_skip_the_finest_level() -> None:
    rng = np.random.default_rng(0)
    waves = rng.normal(0, 0.15, (24, 2)), rng.uniform(0, 7, 24)
    true_motion = np.array([[1.002, -0.003, 3.4], [0.004, 0.999, -2.2], [0, 0, 1]])

    def moved(matrix: NDArray[np.float64]) -> Tensor:
        inverse = np.linalg.inv(matrix)
        y, x = np.mgrid[:528, :1000].astype(np.float32)
        image = np.full(y.shape, 0.5, np.float32)
        for (to_x, to_y), phase in zip(*waves, strict=True):
            row = (np.array([to_x, to_y, 0]) @ inverse).astype(np.float32)
            image += 0.04 * np.sin(row[0] * x + row[1] * y + np.float32(row[2] + phase))
        return torch.from_numpy(image)

    start = Registration(torch.eye(3, dtype=torch.float64), "affine", True, 1.0, 0.0, 0.0)
    found = register(moved(np.eye(3)), moved(true_motion), "affine", initial=start)
    assert found.converged, found.reason
    middle = np.array([500, 264, 1])
    assert found.matrix.numpy() @ middle == pytest.approx(true_motion @ middle, abs=0.01)
    assert found.matrix.numpy()[:2, :2] == pytest.approx(true_motion[:2, :2], abs=1e-5)


def test_results_are_equal_every_time_and_inputs_stay() -> None:
    a, b = recorded(photograph("camera"), 0), recorded(photograph("camera", (0.3, 0.6)), 1)
    copies = a.clone(), b.clone()
    assert torch.equal(register(a, b, "affine").matrix, register(a, b, "affine").matrix)
    assert torch.equal(a, copies[0])
    assert torch.equal(b, copies[1])


def _noise(seed: int) -> Tensor:
    return torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def _stripes(seed: int) -> Tensor:
    stripes = 0.5 + 0.3 * torch.sin(torch.arange(float(SIZE)) / 5)
    return stripes.repeat(SIZE, 1) + 0.01 * (_noise(seed) - 0.5)


PHOTO = recorded(photograph("camera"), 0)
NAN = PHOTO.clone()
NAN[40, 50] = torch.nan
HOPELESS: dict[str, tuple[Tensor, Tensor, str]] = {
    "black": (torch.zeros(SIZE, SIZE), PHOTO, "flat"),
    "flat": (PHOTO, torch.full((SIZE, SIZE), 0.4), "flat"),
    "both flat": (torch.ones(SIZE, SIZE), torch.ones(SIZE, SIZE), "flat"),
    "nan": (PHOTO, NAN, "not finite"),
    "nan reference": (NAN, PHOTO, "not finite"),
    "infinite": (PHOTO, PHOTO / 0, "not finite"),
    "one row": (PHOTO[:1], PHOTO[:1], "too small"),
    "one pixel": (PHOTO[:1, :1], PHOTO[:1, :1], "too small"),
    "tiny": (PHOTO[: MIN_REGISTER_SIZE - 1], PHOTO[: MIN_REGISTER_SIZE - 1], "too small"),
    "empty": (PHOTO[:0], PHOTO[:0], "too small"),
    "unrelated": (PHOTO, recorded(photograph("astronaut"), 0), ""),
    "unrelated texture": (PHOTO, recorded(photograph("gravel"), 0), ""),
    "noise": (_noise(0), _noise(1), ""),
    "negative": (PHOTO, 1 - PHOTO, "do not match"),
    "stripes": (_stripes(0), _stripes(1), "every direction"),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", HOPELESS)
def test_what_cannot_be_registered_says_so(case: str, model: MotionModel) -> None:
    a, b, reason = HOPELESS[case]
    found = register(a, b, model)
    assert not found.converged
    assert found.reason
    if model != "homography":
        assert reason in found.reason
    assert torch.equal(found.matrix, torch.eye(3, dtype=torch.float64))
    assert (found.correlation, found.residual) == (0.0, math.inf)
    assert torch.equal(found.flow((4, 5)), torch.zeros(2, 4, 5))


def test_texture_that_drowns_in_noise_says_so() -> None:
    found = register(*(recorded(photograph("moon"), seed, noise=0.14) for seed in (0, 1)), "affine")
    assert not found.converged
    faint = [recorded(photograph("moon"), seed, noise=0.04) for seed in range(6)]
    reasons = [found.reason for found in register_many(faint[0], torch.stack(faint[1:]), "homography")]
    assert any("uncertain" in reason for reason in reasons)


def test_nothing_to_compare_is_no_overlap() -> None:
    found = register(PHOTO, PHOTO, "affine", weights=torch.zeros(SIZE, SIZE))
    assert not found.converged
    assert "could be compared" in found.reason


@given(seed=st.integers(0, 2**31), height=st.integers(1, 40), width=st.integers(1, 40), model=st.sampled_from(MODELS))
@settings(max_examples=25, deadline=None)
def test_random_images_never_raise_nor_match(seed: int, height: int, width: int, model: MotionModel) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, height, width, generator=generator)
    found = register(a, b, model)
    assert not found.converged
    assert found.reason
    assert bool(torch.isfinite(found.matrix).all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": PHOTO, "b": PHOTO[1:]}, "one size"),
        ({"a": PHOTO[None], "b": PHOTO[None]}, "one size"),
        ({"a": PHOTO, "b": PHOTO, "weights": PHOTO[1:]}, "weights"),
        ({"a": PHOTO.to(torch.uint8), "b": PHOTO}, "floating-point"),
    ],
)
def test_wrong_arguments_are_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        register(**arguments)


def _given(matrix: NDArray[np.float64], model: MotionModel = "homography") -> Registration:
    return Registration(torch.from_numpy(matrix), model, True, 0.9, 0.01, 0.02)


def test_flow_inverse_and_composition_of_a_registration() -> None:
    first, second = _tilted(), turned(3, 1.1, (1.0, 2.0))
    assert torch.allclose(_given(first).flow((SIZE, SIZE)).double(), flow_of(first), atol=1e-4)
    assert np.allclose(_given(first).inverse().matrix, np.linalg.inv(first) / np.linalg.inv(first)[2, 2])
    composed = _given(second, "affine").compose(_given(first))
    assert np.allclose(composed.matrix, first @ second / (first @ second)[2, 2])
    assert composed.model == "homography"
    assert composed.deviation_px == pytest.approx(math.hypot(0.02, 0.02))
    assert _given(second, "affine").shift_yx == (second[1, 2], second[0, 2])


def test_composition_with_a_failure_is_one() -> None:
    failed = register(PHOTO, torch.zeros_like(PHOTO), "affine")
    composed = _given(turned(3)).compose(failed)
    assert not composed.converged
    assert composed.reason == failed.reason
    assert not failed.inverse().converged


def test_flow_beyond_the_horizon_is_finite() -> None:
    matrix = np.eye(3)
    matrix[2, 0] = -0.02
    assert bool(torch.isfinite(_given(matrix).flow((SIZE, SIZE))).all())
