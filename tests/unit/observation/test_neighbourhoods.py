"""Bounds and ranges of small neighbourhoods, by OpenCV and by torch."""

from __future__ import annotations

import pytest
import torch

from vsr.observation import neighbourhood_bounds, neighbourhood_range


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 7)])
def test_bounds_are_those_of_each_neighbourhood(size: tuple[int, int]) -> None:
    maps = torch.rand(2, *size, generator=torch.Generator().manual_seed(3))
    lowest, highest = neighbourhood_bounds(maps)
    for k, y, x in torch.cartesian_prod(*(torch.arange(n) for n in maps.shape)).tolist():
        around = maps[k, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert lowest[k, y, x] == around.min()
        assert highest[k, y, x] == around.max()
    assert torch.equal(highest - lowest, neighbourhood_range(maps))


def test_torch_gives_the_same_where_opencv_cannot() -> None:
    maps = torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(4)).half()
    for by_torch, by_opencv in zip(neighbourhood_bounds(maps), neighbourhood_bounds(maps.float()), strict=True):
        assert torch.equal(by_torch.float(), by_opencv)
