"""Weighted medians against NumPy and plain loops."""

from __future__ import annotations

import numpy as np
import torch

from vsr.solvers.order_statistics import cell_medians, weighted_mad, weighted_median


def test_median_of_equal_weights_is_numpys() -> None:
    generator = torch.Generator().manual_seed(0)
    for count in (1, 2, 7, 100, 101):
        values = torch.randn(count, generator=generator, dtype=torch.float64)
        assert float(weighted_median(values, torch.ones_like(values))) == np.median(values.numpy())


def test_a_whole_weight_is_like_repeating_a_value() -> None:
    values, weights = torch.tensor([3.0, 1.0, 2.0, 9.0]), torch.tensor([0.25, 0.5, 0.25, 1.0])
    repeated = [3.0, 1.0, 1.0, 2.0, 9.0, 9.0, 9.0, 9.0]
    assert float(weighted_median(values, weights)) == np.median(repeated)


def test_cells_are_kept_apart() -> None:
    generator = torch.Generator().manual_seed(1)
    cells = torch.randint(0, 7, (60,), generator=generator)
    cells[cells == 4] = 5
    values = torch.randn(60, generator=generator)
    reliable = (torch.rand(60, generator=generator) > 0.2).float()
    medians, totals = cell_medians(cells, values, reliable, 8)
    for cell in range(8):
        mine = values[(cells == cell) & (reliable > 0)].numpy()
        assert float(totals[cell]) == len(mine)
        assert np.isclose(float(medians[cell]), np.median(mine) if len(mine) else 0.0)


def test_nothing_at_all() -> None:
    medians, totals = cell_medians(torch.zeros(0, dtype=torch.int64), torch.zeros(0), torch.zeros(0), 3)
    assert medians.tolist() == totals.tolist() == [0.0, 0.0, 0.0]
    assert float(weighted_median(torch.ones(5), torch.zeros(5))) == 0.0


def test_deviation_of_normal_values() -> None:
    values = 3 + 0.5 * torch.randn(20001, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    values[:1000] = 100
    assert abs(weighted_mad(values, torch.ones_like(values)) - 0.5) < 0.05
    weights = torch.ones_like(values)
    weights[:1000] = 0
    assert abs(weighted_mad(values, weights) - 0.5) < 0.01
