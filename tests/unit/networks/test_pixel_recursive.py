"""Pixel-recursive super resolution: what is drawn follows from the noise, and only from what came before."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.networks.pixel_recursive import PixelRecursive


def _network() -> PixelRecursive:
    torch.manual_seed(4)
    return PixelRecursive(2, levels=8, width=8, blocks=1, hidden=8).eval().requires_grad_(False)


def _given(noise: Tensor) -> Tensor:
    return torch.cat([torch.full((1, 3, 3, 4), 0.5), noise], 1)


def test_noise_decides_and_the_same_noise_gives_the_same_image() -> None:
    network = _network()
    first, second = torch.randn(1, 12, 3, 4), torch.randn(1, 12, 3, 4)
    assert torch.equal(network(_given(first)), network(_given(first)))
    assert not torch.equal(network(_given(first)), network(_given(second)))


def test_values_are_levels() -> None:
    result = _network()(_given(torch.randn(1, 12, 3, 4)))
    torch.testing.assert_close((8 * result - 0.5).round(), 8 * result - 0.5)


def test_noise_of_a_pixel_changes_nothing_before_it() -> None:
    """The third of three rows of blocks: the four rows of pixels above stay."""
    network, noise = _network(), torch.randn(1, 12, 3, 4)
    other = noise.clone()
    other[:, :, 2] = 3.0
    one, two = network(_given(noise)), network(_given(other))
    assert torch.equal(one[:, :, :4], two[:, :, :4])
    assert not torch.equal(one[:, :, 4:], two[:, :, 4:])


def test_shares_of_levels_are_the_distributions() -> None:
    """Where nothing tells anything, every level is drawn alike often."""
    network = _network()
    for parameter in network.parameters():
        parameter.zero_()
    torch.manual_seed(0)
    given = torch.cat([torch.full((64, 3, 2, 2), 0.5), torch.randn(64, 12, 2, 2)], 1)
    counts = torch.bincount((8 * network(given)).long().flatten(), minlength=8)
    assert counts.sum() == 64 * 3 * 16
    assert float(counts.min() / counts.float().mean()) > 0.8
    assert float(counts.max() / counts.float().mean()) < 1.2


def test_half_precision_changes_nothing() -> None:
    network, given = _network(), _given(torch.randn(1, 12, 3, 4))
    exact = network(given)
    assert torch.equal(network.half()(given), exact)
