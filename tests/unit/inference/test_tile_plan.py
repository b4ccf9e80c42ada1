"""Tiles follow from network, image and class of device alone, and keep within what that class holds."""

from __future__ import annotations

import pytest

from vsr.inference.hardware import BUDGETS, Budget
from vsr.inference.tiling import Load, TilePlan, plan_tiles

CPU = BUDGETS["cpu"]
COMPACT = Load(layer=128, tensor=64)


def _cost(plan: TilePlan, size_yx: tuple[int, int]) -> float:
    """Pixels computed for each pixel of the image."""
    tall, wide = (sum(span.stop - span.start for span in spans) for spans in (plan.rows, plan.columns))
    return tall * wide / (size_yx[0] * size_yx[1])


@pytest.mark.parametrize("size", [(270, 480), (576, 720), (1080, 1920), (2160, 3840), (4320, 7680), (17, 5), (1, 1)])
@pytest.mark.parametrize("context", [4, 18, 34])
def test_tiles_stay_within_the_budget(size: tuple[int, int], context: int) -> None:
    plan = plan_tiles(size, context, COMPACT, 4, CPU)
    tall, wide = plan.window_yx
    assert COMPACT.peak_bytes(tall * wide, 4) <= CPU.tile_bytes
    assert _cost(plan, size) < 1.6, "overlap is work done twice"
    assert plan == plan_tiles(size, context, COMPACT, 4, CPU)


def test_small_images_stay_whole() -> None:
    plan = plan_tiles((270, 480), 18, COMPACT, 4, CPU)
    assert (len(plan.rows), len(plan.columns)) == (1, 1)


def test_tensors_stay_small_where_that_is_quicker_and_not_where_overlap_costs_more() -> None:
    quick = CPU.quick_tensor_bytes
    assert quick is not None
    tall, wide = plan_tiles((2160, 3840), 8, COMPACT, 4, CPU).window_yx
    assert COMPACT.tensor * 4 * tall * wide <= quick
    tall, wide = plan_tiles((2160, 3840), 200, COMPACT, 4, CPU).window_yx
    assert COMPACT.tensor * 4 * tall * wide > quick


def test_half_precision_takes_larger_tiles() -> None:
    whole, half = (plan_tiles((2160, 3840), 18, COMPACT, itemsize, CPU).window_yx for itemsize in (4, 2))
    assert half[0] * half[1] > 1.5 * whole[0] * whole[1]


def test_little_memory_makes_small_tiles() -> None:
    plan = plan_tiles((400, 400), 4, COMPACT, 4, Budget(tile_bytes=4 << 20, quick_tensor_bytes=None, batch_pixels=1))
    tall, wide = plan.window_yx
    assert COMPACT.peak_bytes(tall * wide, 4) <= 4 << 20


def test_a_given_size_is_taken() -> None:
    plan = plan_tiles((300, 500), 10, COMPACT, 4, CPU, tile_px=100)
    assert (len(plan.rows), len(plan.columns)) == (3, 5)
    assert plan.window_yx == (120, 120)


@pytest.mark.parametrize("size", [(1080, 1920), (720, 300), (256, 257)])
def test_without_an_end_to_the_context_tiles_have_one_size(size: tuple[int, int]) -> None:
    plan = plan_tiles(size, None, COMPACT, 4, CPU, multiple=1)
    windows = {(r.stop - r.start, c.stop - c.start) for r in plan.rows for c in plan.columns}
    assert windows == {(min(256, size[0]), min(256, size[1]))}
    assert plan == plan_tiles(size, None, COMPACT, 2, BUDGETS["cuda"]), "on any device, in any precision"
