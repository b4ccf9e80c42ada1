"""IRN and FIRN: invertible, with Haar's halves, and the first half as a network of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from vsr.networks import Network
from vsr.networks.base import Colour
from vsr.networks.downscaling import downscaling_network
from vsr.networks.irn import IRN, recognise_irn

CASES = [(2, (2,), False), (4, (1, 2), False), (4, (1, 2), True), (8, (1, 1, 1), True)]
RGB: Colour = "RGB"


def _made(scale: int, blocks: tuple[int, ...], distils: bool) -> IRN:
    torch.manual_seed(5)
    return IRN(scale, blocks=blocks, distils=distils).double().eval().requires_grad_(False)


def _image(height: int, width: int) -> Tensor:
    return torch.rand(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("scale", "blocks", "distils"), CASES)
def test_both_ways_undo_each_other(scale: int, blocks: tuple[int, ...], distils: bool) -> None:
    module, large = _made(scale, blocks, distils), _image(3 * scale, 5 * scale)
    split = module.analyse(large)
    assert split.shape == (2, 3 * scale * scale, 3, 5)
    assert module.noise_channels == 3 * scale * scale - 3
    assert torch.equal(module.downscale(large), split[:, :3])
    torch.testing.assert_close(module(split), large, rtol=0, atol=1e-10)
    given = torch.randn(2, 3 * scale * scale, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(module.analyse(module(given)), given, rtol=0, atol=1e-8)


def test_without_blocks_it_is_haars_transform() -> None:
    """Means of four pixels, then differences across, down and along diagonals: worked out by numpy."""
    module, large = IRN(2, blocks=(0,)).double(), _image(6, 8)
    a, b, c, d = (large.numpy()[..., row::2, column::2] for row in (0, 1) for column in (0, 1))
    expected = np.concatenate([(a + b + c + d) / 4, (a - b + c - d) / 4, (a + b - c - d) / 4, (a - b - c + d) / 4], 1)
    np.testing.assert_allclose(module.analyse(large).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("scale", "blocks", "distils"), CASES[:3])
def test_stated_reach_of_the_first_half_is_exact(scale: int, blocks: tuple[int, ...], distils: bool) -> None:
    module = _made(scale, blocks, distils)
    stated = module.downscale_context_px
    assert stated is not None
    width = 2 * stated + 5
    large = _image(2 * scale, width * scale)[:1].requires_grad_(True)
    middle = width // 2
    (gradient,) = torch.autograd.grad(module.downscale(large)[..., middle].sum(), large)
    seen = gradient.abs().amax((0, 1, 2)).nonzero().flatten() // scale
    assert int((seen - middle).abs().max()) == stated


@pytest.mark.parametrize(("scale", "blocks", "distils"), CASES)
def test_any_number_of_blocks_is_recognised(scale: int, blocks: tuple[int, ...], distils: bool) -> None:
    state = _made(scale, blocks, distils).state_dict()
    found = recognise_irn({name: tuple(value.shape) for name, value in state.items()})
    assert found is not None
    assert (found.name, found.scales) == ("firn" if distils else "irn", (scale,))
    assert found.build(scale).load_state_dict(state)


def test_other_weights_are_not_mistaken_for_it() -> None:
    assert recognise_irn({"operations.0.weight": (3, 3)}) is None
    assert recognise_irn({"operations.1.haar_weights": (12, 1, 2, 2)}) is None
    state = {name: tuple(value.shape) for name, value in IRN(2, blocks=(1,)).state_dict().items()}
    assert recognise_irn({**state, "operations.1.F.conv1.weight": (24, 9, 3, 3)}) is None


def test_the_first_half_as_a_network_of_its_own() -> None:
    module = _made(4, (1, 1), True)
    network = Network("firn", module, 4, RGB, module.context_px, in_channels=48, noise_channels=45, digest="d")
    half, large = downscaling_network(network), _image(12, 20)
    assert (half.scale, half.in_channels, half.out_channels, half.noise_channels) == (1, 48, 3, 0)
    assert half.context_px == module.downscale_context_px
    blocks = torch.nn.functional.pixel_unshuffle(large, 4)
    assert torch.equal(half(blocks), module.downscale(large))
