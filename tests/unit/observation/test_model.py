"""The observation model of several frames: where samples lie, adjointness, normal equations, strips."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsr.observation import GaussianBlur, ObservationModel, grid_positions

NO_BLUR = GaussianBlur(0.0, 0.0)
SIZE = (21, 17)


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _scattered(blur: GaussianBlur = NO_BLUR, count: int = 3) -> ObservationModel:
    """Samples about a grid of half the size, moved by up to several pixels, some of them out of the image."""
    rows, cols = grid_positions((11, 9), (2.0, 2.0), dtype=torch.float64)
    moved = 2.5 * _random(2, count, 11, 9, seed=0)
    return ObservationModel(SIZE, rows + moved[0], cols + moved[1], blur, (2.0, 2.0))


def test_samples_lie_on_the_centres_of_their_blocks() -> None:
    rows, cols = grid_positions((2, 3), (3.0, 2.0))
    assert rows.tolist() == [[1.0] * 3, [4.0] * 3]
    assert cols.tolist() == [[0.5, 2.5, 4.5]] * 2


def test_shifts_are_in_pixels_of_the_frame_down_and_right() -> None:
    still, moved = (grid_positions((4, 5), (3.0, 2.0), shift) for shift in ((0.0, 0.0), (0.5, -1.0)))
    assert torch.equal(moved[0] - still[0], torch.full((4, 5), 1.5))
    assert torch.equal(moved[1] - still[1], torch.full((4, 5), -2.0))


def test_a_frame_shows_what_lies_at_its_shift() -> None:
    """At ×2 quarters of a frame's pixel are the four pixels of a block."""
    image = _random(8, 10, seed=1)
    corners = torch.tensor([[-0.25, -0.25], [-0.25, 0.25], [0.25, -0.25], [0.25, 0.25]])
    model = ObservationModel.from_shifts((4, 5), (8, 10), corners, NO_BLUR, dtype=torch.float64)
    expected = torch.stack([image[y::2, x::2] for y in (0, 1) for x in (0, 1)])
    assert torch.equal(model.A(image), expected)
    assert bool(model.inside.all())
    assert model.shifts_yx is corners


def test_whole_shifts_move_the_image_and_lose_its_border() -> None:
    image = _random(6, 7, seed=2)
    model = ObservationModel.from_shifts((6, 7), (6, 7), torch.tensor([[1.0, -2.0]]), NO_BLUR, dtype=torch.float64)
    seen = model.A(image)[0]
    assert torch.equal(seen[:-1, 2:], image[1:, :-2])
    assert not bool(model.inside[0, -1].any() | model.inside[0, :, :2].any())
    assert not bool(seen[-1].any() | seen[:, :2].any())


def test_offset_samples_are_the_first_of_their_blocks() -> None:
    """As ``[::4]`` takes them: 1.5 pixels of 4 before the centre."""
    image = _random(16, 20, seed=3)
    still = torch.zeros(1, 2)
    model = ObservationModel.from_shifts((4, 5), (16, 20), still, NO_BLUR, offset_px=-0.375, dtype=torch.float64)
    assert torch.equal(model.A(image)[0], image[::4, ::4])


def test_the_image_is_blurred_before_it_is_read() -> None:
    image, blur = _random(*SIZE, seed=4), GaussianBlur(1.0, 0.6)
    assert torch.equal(_scattered(blur).A(image), _scattered().A(blur.A(image)))


@pytest.mark.parametrize("blur", [NO_BLUR, GaussianBlur(1.2, 0.7)], ids=["sharp", "blurred"])
def test_adjoint(blur: GaussianBlur) -> None:
    model = _scattered(blur)
    assert bool(model.inside.any() & ~model.inside.all())
    x, y = _random(*SIZE, seed=5), _random(3, 11, 9, seed=6)
    left, right = float((model.A(x) * y).sum()), float((x * model.A_adjoint(y)).sum())
    assert abs(left - right) <= 1e-10 * abs(left)


def test_normal_equations_are_reading_weighting_and_spreading() -> None:
    model, x, values = _scattered(), _random(*SIZE, seed=7), _random(3, 11, 9, seed=8)
    weights = _random(3, 11, 9, seed=9).abs()
    matrix, right = model.normal_equations(weights, values)
    assert (matrix.apply(x) - model.A_adjoint(weights * model.A(x))).abs().max() < 1e-9
    assert (right - model.A_adjoint(weights * values)).abs().max() < 1e-9


def test_samples_can_be_moved() -> None:
    shifts = torch.tensor([[0.0, 0.0], [0.25, -0.5]], dtype=torch.float64)
    still, shifted = (
        ObservationModel.from_shifts((6, 6), (12, 12), s, NO_BLUR, dtype=torch.float64) for s in (0 * shifts, shifts)
    )
    by = (2 * shifts)[..., None, None].expand(2, 2, 6, 6)
    moved = still.moved(by[:, 0], by[:, 1])
    image = _random(12, 12, seed=10)
    assert torch.allclose(moved.A(image), shifted.A(image))
    assert moved.shifts_yx is None
    assert moved.num_frames == 2


@pytest.mark.parametrize(("first", "last"), [(0, 8), (5, 14), (13, 21), (0, 21)])
def test_a_strip_reads_what_the_whole_reads_there(first: int, last: int) -> None:
    whole, image = _scattered(), _random(*SIZE, seed=11)
    strip, part = whole.strip(first, last)
    here = (whole.rows >= first) & (whole.rows <= last - 1) & whole.inside
    assert not bool(here[:, : part.start].any() | here[:, part.stop :].any()), "no sample is left out"
    near = (whole.rows > first - 0.1) & (whole.rows < last - 0.9)  # positions are rounded
    assert bool(strip.inside[here[:, part]].all())
    assert not bool(strip.inside[~near[:, part]].any())
    difference = strip.A(image[first:last]) - whole.A(image)[:, part]
    assert difference[here[:, part]].abs().max() < 1e-12


def test_blur_reaches_no_further_into_a_strip_than_its_radius() -> None:
    blur, image = GaussianBlur(1.0, 1.0), _random(40, 12, seed=12)
    still = torch.zeros(1, 2)
    whole = ObservationModel.from_shifts((20, 6), (40, 12), still, blur, dtype=torch.float64)
    strip, part = whole.strip(10, 30)
    far = (strip.rows >= 4) & (strip.rows <= 15)  # 3 for the blur, 1 for reading
    difference = (strip.A(image[10:30]) - whole.A(image)[:, part]).abs()
    assert difference[far].max() < 1e-12
    assert difference.max() > 1e-3


def test_a_strip_that_no_sample_reaches_is_empty() -> None:
    rows, cols = grid_positions((4, 4), (2.0, 2.0))
    model = ObservationModel((30, 8), rows[None], cols[None], NO_BLUR, (2.0, 2.0))
    strip, part = model.strip(20, 30)
    assert (part.start, part.stop) == (0, 0)
    assert strip.A(torch.ones(10, 8)).shape == (1, 0, 4)
    assert strip.A_adjoint(torch.ones(1, 0, 4)).tolist() == torch.zeros(10, 8).tolist()
