"""The fine grid: places, parts without seams or gaps, and samples that fit a known image."""

from __future__ import annotations

import pytest
import torch

from vsr.observation import reading_blur
from vsr.stills.boxes import Box, moved_by
from vsr.stills.canvas import Canvas, View, tiles
from vsr.stills.fusion import assemble


@pytest.mark.parametrize(
    ("region", "scale"), [(Box(5, 3, 40, 30), 2.0), (Box(0, 0, 300, 140), 3.0), (Box(1, 1, 9, 131), 2.5)]
)
def test_parts_cover_the_region_once(region: Box, scale: float) -> None:
    parts = tiles(region, scale)
    assert sum(c.part.width * c.part.height for c in parts) == region.width * region.height
    whole = assemble([(canvas, torch.ones(canvas.size_yx)) for canvas in parts])
    assert whole.shape == (round(region.height * scale), round(region.width * scale))
    assert bool((whole == 1).all())


def test_place_and_back() -> None:
    canvas = Canvas(Box(10, 20, 40, 30), Box(18, 26, 12, 9), 4.0)
    x, y = torch.tensor([18.0, 23.25]).double(), torch.tensor([26.0, 30.5]).double()
    back_x, back_y = canvas.reference_points(*canvas.place(x, y))
    torch.testing.assert_close(back_x, x)
    torch.testing.assert_close(back_y, y)


def test_a_frame_pixel_sits_in_the_middle_of_its_block() -> None:
    canvas = Canvas(Box(10, 20, 16, 16), Box(10, 20, 16, 16), 4.0)
    row, col = canvas.place(torch.tensor(10.0).double(), torch.tensor(20.0).double())
    assert (float(row) - canvas.margin, float(col) - canvas.margin) == (1.5, 1.5)


def test_samples_of_a_slope_fit_the_slope() -> None:
    """A plane of brightness stays one under any blur: samples of moved frames are where the model says."""
    y, x = torch.meshgrid(torch.arange(40).double(), torch.arange(50).double(), indexing="ij")
    views = [
        View(n, 0.2 + 0.004 * (x - dx) + 0.003 * (y - dy), moved_by(dx, dy))
        for n, (dx, dy) in enumerate([(0, 0), (1.25, -0.5)])
    ]
    canvas = Canvas(Box(14, 12, 16, 12), Box(14, 12, 16, 12), 3.0)
    at_x, at_y = canvas.points()
    samples, model = canvas.observe(views, reading_blur((1.2, 1.2), (3.0, 3.0)))
    found = model.A(0.2 + 0.004 * at_x + 0.003 * at_y)
    height, width = canvas.size_yx
    inner = (model.rows > 12) & (model.rows < height - 13) & (model.cols > 12) & (model.cols < width - 13)
    assert int(inner.sum()) > 100
    torch.testing.assert_close(found[inner], samples[inner], atol=1e-6, rtol=0)
