"""LIIF against its paper's formula, pixel by pixel, and at magnifications that are no whole numbers."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.functional import unfold

from vsr.networks.grids import Grid
from vsr.networks.liif import LIIF


def _reference(module: LIIF, features: Tensor, out_yx: tuple[int, int]) -> Tensor:
    """Equations 2 to 5 of the paper for one image, in coordinates from -1 to 1: slow, and independent of ours."""
    _, width, tall, wide = features.shape
    around = unfold(features, 3, padding=1).reshape(9 * width, tall, wide)
    result = torch.zeros(3, *out_yx)
    for row, column in itertools.product(*map(range, out_yx)):
        place = [-1 + (2 * number + 1) / side for number, side in zip((row, column), out_yx, strict=True)]
        answers, areas = [], []
        for shifts in itertools.product((-1, 1), repeat=2):
            index, rel = [], []
            for at, shift, side in zip(place, shifts, (tall, wide), strict=True):
                moved = min(max(at + shift / side + 1e-6, -1 + 1e-6), 1 - 1e-6)
                found = min(max(round(((moved + 1) * side - 1) / 2), 0), side - 1)
                index.append(found)
                rel.append((at - (-1 + (2 * found + 1) / side)) * side)
            cell = [2 / out * side for out, side in zip(out_yx, (tall, wide), strict=True)]
            given = torch.cat([around[:, index[0], index[1]], torch.tensor([*rel, *cell])])
            answers.append(module.imnet.layers(given))
            areas.append(abs(rel[0] * rel[1]) + 1e-9)
        result[:, row, column] = sum(
            answer * area for answer, area in zip(answers, reversed(areas), strict=True)
        ) / sum(areas)
    return (result + 1) / 2


@pytest.mark.parametrize("out_yx", [(10, 12), (7, 9), (13, 8), (20, 24)], ids=str)
def test_against_the_paper(out_yx: tuple[int, int]) -> None:
    torch.manual_seed(1)
    module = LIIF(2, blocks=1, width=4, hidden=8, depth=2).eval()
    image = torch.rand(1, 3, 5, 6)
    with torch.no_grad():
        features = module.features(image)
        ours = module.render(features, Grid.whole((5, 6), out_yx))
        torch.testing.assert_close(ours[0], _reference(module, features, out_yx), rtol=1e-4, atol=1e-5)
