"""The diversity score against what can be worked out on paper."""

from __future__ import annotations

import pytest
import torch

from vsr.metrics import diversity_score


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        ([[1.0, 3.0], [3.0, 1.0]], 50.0),  # the best is 2, the minimum 1
        ([[1.0, 3.0], [3.0, 1.0], [2.0, 0.0]], 50.0),  # the best is 1, the minimum 0.5
        ([[2.0, 1.0], [2.0, 1.0]], 0.0),
        ([[0.0, 0.0], [5.0, 9.0]], 0.0),
        ([[0.0, 4.0], [4.0, 0.0]], 100.0),
    ],
)
def test_on_paper(distances: list[list[float]], expected: float) -> None:
    given = torch.tensor(distances)[:, None]
    assert diversity_score(given) == pytest.approx(expected)
    assert diversity_score(7 * given) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(1, 2, 2), (2, 2), (2, 1, 2, 2)])
def test_one_sample_has_none(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two samples"):
        diversity_score(torch.ones(shape))
