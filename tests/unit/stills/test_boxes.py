"""Regions and what motions make of them."""

from __future__ import annotations

import pytest
import torch

import vsr
from vsr.stills.boxes import Box, move_points, moved_by, recentre


def test_text_and_back() -> None:
    assert Box.parse("3, 4,50,60") == Box(3, 4, 50, 60)
    assert str(Box(3, 4, 50, 60)) == "3,4,50,60"


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,-4", "a,b,c,d", "1.5,2,3,4", "0,0,0,5"])
def test_what_is_no_region(text: str) -> None:
    with pytest.raises(vsr.UsageError):
        Box.parse(text)


def test_growing_stops_at_the_frame() -> None:
    assert Box(2, 5, 10, 10).grown(6, (40, 60)) == Box(0, 0, 22, 22)
    assert Box(45, 25, 10, 10).grown(8, (40, 60)) == Box(34, 14, 26, 26)
    assert Box(20, 20, 4, 4).grown(0, (40, 60), least_px=12) == Box(16, 16, 12, 12)
    assert Box(0, 0, 60, 40).grown(9, (40, 60)) == Box(0, 0, 60, 40)


def test_around_keeps_the_size_and_the_frame() -> None:
    assert Box(0, 0, 11, 7).around(20.0, 10.0, (40, 60)) == Box(15, 7, 11, 7)
    assert Box(0, 0, 11, 7).around(-9.0, 99.0, (40, 60)) == Box(0, 33, 11, 7)


def test_a_motion_between_parts_is_that_between_frames() -> None:
    motion = torch.tensor([[1.01, 0.02, 3.0], [-0.03, 0.99, -2.0], [1e-4, -2e-4, 1.0]], dtype=torch.float64)
    source, target = Box(10, 20, 30, 30), Box(14, 17, 30, 30)
    x, y = torch.tensor([12.0, 35.0]).double(), torch.tensor([21.0, 44.0]).double()
    to_x, to_y = move_points(motion, x, y)
    part_x, part_y = move_points(recentre(motion, source, target), x - source.x, y - source.y)
    torch.testing.assert_close(part_x + target.x, to_x)
    torch.testing.assert_close(part_y + target.y, to_y)


def test_a_shift() -> None:
    x, y = move_points(moved_by(1.5, -2.0), torch.tensor(3.0).double(), torch.tensor(4.0).double())
    assert (float(x), float(y)) == (4.5, 2.0)
