"""Motions one after another: composed, not added."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_scenes import SIZE, flow_of, texture, turned

from vsr.registration import compose_flows, invert_flow, warp_to

INNER = (slice(None), slice(24, -24), slice(24, -24))


def _worst(flow: torch.Tensor, expected: torch.Tensor) -> float:
    return float((flow - expected)[INNER].abs().max())


@given(
    turn=st.floats(-8, 8),
    zoom=st.floats(0.92, 1.08),
    shift=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    second_turn=st.floats(-8, 8),
)
@settings(max_examples=20, deadline=None)
def test_composition_is_the_product_of_matrices(
    turn: float, zoom: float, shift: tuple[float, float], second_turn: float
) -> None:
    first, second = turned(turn, zoom, shift), turned(second_turn)
    composed = compose_flows(flow_of(first), flow_of(second))
    assert _worst(composed, flow_of(second @ first)) < 1e-9  # linear motion: bilinear reading is exact


def test_adding_flows_is_wrong() -> None:
    first, second = turned(0, 1.0, (0.0, 12.0)), turned(6)
    expected = flow_of(second @ first)
    added = flow_of(first) + flow_of(second)
    assert _worst(compose_flows(flow_of(first), flow_of(second)), expected) < 1e-9
    assert _worst(added, expected) > 1.0  # 12 pixels away, a turn of 6 degrees moves content differently


def test_no_motion_changes_nothing() -> None:
    flow = flow_of(turned(5, 1.1, (1.5, -2.5)))
    still = torch.zeros_like(flow)
    assert torch.equal(compose_flows(flow, still), flow)
    assert torch.allclose(compose_flows(still, flow), flow, atol=1e-12)


@pytest.mark.parametrize("matrix", [turned(4, 1.05, (3.3, -2.1)), turned(0, 0.9), turned(-7)])
def test_inverse_of_a_matrix(matrix: np.ndarray) -> None:
    assert _worst(invert_flow(flow_of(matrix)), flow_of(np.linalg.inv(matrix))) < 1e-6


def test_there_and_back_is_no_motion_for_curved_flows() -> None:
    steps = torch.arange(SIZE, dtype=torch.float64)
    flow = torch.stack(torch.meshgrid(2 * torch.sin(steps / 9), 3 * torch.cos(steps / 12), indexing="ij"))
    assert _worst(compose_flows(flow, invert_flow(flow)), torch.zeros_like(flow)) < 0.02


def test_border_motion_goes_on_outside() -> None:
    away = torch.full((2, 8, 9), 50.0)
    second = torch.zeros(2, 8, 9)
    second[0, -1, -1] = 7.0
    assert torch.equal(compose_flows(away, second)[0], torch.full((8, 9), 57.0))


def test_warp_shows_b_as_a_sees_it() -> None:
    matrix = turned(3, 1.02, (2.3, -1.4))
    smooth = torch.nn.functional.avg_pool2d  # waves finer than the grid cannot be read between pixels
    a, b = (smooth(torch.from_numpy(t)[None], 5, 1, 2)[0].float() for t in (texture(), texture(matrix)))
    warped = warp_to(b, flow_of(matrix).float())
    inner = INNER[1:]
    assert float((warped - a)[inner].square().mean().sqrt()) < 0.2 * float((b - a)[inner].square().mean().sqrt())
    assert torch.equal(warp_to(b[None], flow_of(matrix).float())[0], warped)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one size"):
        compose_flows(torch.zeros(2, 5, 5), torch.zeros(2, 5, 6))
    with pytest.raises(ValueError, match=r"\(2, H, W\)"):
        compose_flows(torch.zeros(3, 5, 5), torch.zeros(3, 5, 5))
