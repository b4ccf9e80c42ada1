"""ASDN's levels and recursion against the formula of its paper, written out; FSDN."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsr.networks.asdn import ASDN, FSDN
from vsr.networks.grids import Grid
from vsr.observation import resample


@pytest.fixture
def module() -> ASDN:
    torch.manual_seed(4)
    return ASDN(2, blocks=1, layers=2, width=8).eval().requires_grad_(False)


def _bicubic(images: Tensor, size_yx: tuple[int, int]) -> Tensor:
    return resample(images.double(), size_yx, kernel="bicubic").float()


def _level(module: ASDN, images: Tensor, level: int) -> Tensor:
    """O of a level: interpolated, and the branch's detail of what the body finds in that."""
    size = tuple(round(side * (1 + level / 10)) for side in images.shape[-2:])
    enlarged = _bicubic(images, (size[0], size[1]))
    return enlarged + module.branches[level](module.body(enlarged))


@pytest.mark.parametrize(
    ("out", "upper", "weight"),
    [(22, 1, 0.0), (30, 5, 0.0), (27, 4, 0.5), (31, 6, 0.5), (39, 10, 0.5), (40, 10, 0.0), (20, 0, 0.0)],
)
def test_up_to_twofold(module: ASDN, out: int, upper: int, weight: float) -> None:
    """O_r = O_i + w·(O_(i-1) - O_i), w = 10·(r_i - r), from an image of 20 pixels."""
    image = torch.rand(1, 3, 20, 20)
    made = module.render(image, Grid.whole((20, 20), (out, out)))
    expected = _bicubic(_level(module, image, upper), (out, out))
    if weight:
        lower = _bicubic(_level(module, image, upper - 1), (out, out))
        expected = expected + weight * (lower - expected)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)


def test_beyond_twofold_it_is_run_again(module: ASDN) -> None:
    """x3 is x2, then x1.5; x4 is x2 twice; x5 three times, the rest last."""
    image = torch.rand(1, 3, 8, 8)
    twice = _level(module, image, 10)
    for out, steps in ((24, [5]), (32, [10]), (40, [10])):
        expected = twice
        for level in steps:
            expected = _level(module, expected, level)
        if out == 40:  # what is left is x1.25, half-way between two levels
            upper, lower = (_bicubic(_level(module, expected, level), (40, 40)) for level in (3, 2))
            expected = (upper + lower) / 2
        made = module.render(image, Grid.whole((8, 8), (out, out)))
        torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)


def test_gradients_reach_all_that_is_used(module: ASDN) -> None:
    """A magnification between two levels trains the body and both branches, and no other."""
    module.requires_grad_(True)
    module.render(torch.rand(1, 3, 20, 20), Grid.whole((20, 20), (27, 27))).square().mean().backward()
    reached = {number for number, branch in enumerate(module.branches) if branch.image.weight.grad is not None}
    assert reached == {3, 4}
    assert all(value.grad is not None for value in module.body.parameters())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fsdn_without_detail_is_interpolation_in_place(scale: int) -> None:
    """A ramp stays the ramp that it is, between the centres of pixels."""
    module = FSDN(scale, blocks=1, layers=1, width=8).eval().requires_grad_(False)
    module.exit.weight.zero_()
    module.exit.bias.zero_()  # type: ignore[union-attr]
    made = module((torch.arange(16.0) / 16).expand(1, 3, 12, 16))
    places = (torch.arange(16.0 * scale) + 0.5) / scale - 0.5
    inner = slice(3 * scale, -3 * scale)
    torch.testing.assert_close(made[..., inner], (places / 16).expand_as(made)[..., inner], rtol=0, atol=1e-5)
