"""The camera's motion first, the rest by dense flow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from moving_scenes import SIZE, flow_of, photograph, recorded, texture, turned
from torch import Tensor

from vsr.registration import FlowPair, flow_pair, global_then_dense
from vsr.registration.flow import MIN_FLOW_SIZE

pytest.importorskip("cv2", reason="OpenCV is not installed")


def _errors(flow: Tensor, true_flow: Tensor) -> Tensor:
    """Distances in pixels where the content stays in the image, a margin left out."""
    grid = torch.stack(torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij"))
    seen = torch.cat([grid + true_flow, grid])
    inside = ((seen > 8) & (seen < SIZE - 9)).all(0)
    return (flow - true_flow).norm(dim=0)[inside]


def _pair(found: FlowPair | None) -> FlowPair:
    assert found is not None
    return found


@pytest.mark.parametrize("matrix", [turned(0, 1, (0.4, -0.7)), turned(2, 1, (20.3, -14.6)), turned(5)])
def test_camera_motion_is_exact_and_better_than_dense_flow(matrix: np.ndarray) -> None:
    a, b = recorded(texture(), 0), recorded(texture(matrix), 1)
    ours, plain = _pair(global_then_dense(a, b)), _pair(flow_pair(a, b))
    for flow, dense, true_flow in (
        (ours.forward, plain.forward, flow_of(matrix)),
        (ours.backward, plain.backward, flow_of(np.linalg.inv(matrix))),
    ):
        assert _errors(flow, true_flow).median() < 0.02
        assert _errors(flow, true_flow).square().mean() < _errors(dense, true_flow).square().mean()


def test_what_moves_on_its_own_is_followed_under_a_large_camera_motion() -> None:
    camera, own = turned(3, 1, (24.0, -18.0)), turned(3, 1, (26.5, -19.5))

    def box(matrix: np.ndarray, half: int) -> Tensor:
        """Pixels less than ``half`` from the middle of a square that ``matrix`` has moved."""
        flow = flow_of(np.linalg.inv(matrix)).numpy()
        place = np.stack(np.mgrid[:SIZE, :SIZE]) + flow - np.array([50, 70])[:, None, None]
        return torch.from_numpy((np.abs(place) < half).all(0))

    still = np.eye(3)
    a = torch.where(box(still, 22), recorded(texture(seed=5), 0), recorded(texture(), 1))
    b = torch.where(box(own, 22), recorded(texture(own, seed=5), 2), recorded(texture(camera), 3))
    found = _pair(global_then_dense(a, b))
    for flow, there, back in ((found.forward, still, own), (found.backward, own, np.linalg.inv(own))):
        miss = (flow - flow_of(back)).norm(dim=0)
        assert miss[box(there, 10)].median() < 0.3
    assert _errors(found.forward, flow_of(camera)).median() < 0.03


def test_without_a_camera_motion_it_is_dense_flow() -> None:
    a, b = recorded(photograph("camera"), 0), recorded(photograph("gravel"), 1)
    ours, plain = _pair(global_then_dense(a, b)), _pair(flow_pair(a, b, detail="medium"))
    assert torch.equal(ours.forward, plain.forward)
    assert torch.equal(ours.backward, plain.backward)


def test_reluctance_keeps_to_the_camera_where_dense_flow_would_follow_aliasing() -> None:
    """Bars finer than the samples seem to move otherwise than they do; only their surroundings tell."""
    camera = turned(0, 1, (0.25, 0.5))

    def bars(move: float) -> np.ndarray:
        rows, cols = np.mgrid[:SIZE, :SIZE]
        return 0.2 * np.sign(np.cos(2 * np.pi * (cols - move) / 1.1)) * (abs(rows - 64) < 14) * (abs(cols - 64) < 14)

    a, b = recorded(texture() + bars(0), 0), recorded(texture(camera) + bars(0.5), 1)
    middle = (slice(None), slice(58, 70), slice(58, 70))
    usual, reluctant = (
        (_pair(global_then_dense(a, b, reluctance=r)).forward - flow_of(camera))[middle].norm(dim=0).median()
        for r in (1.0, 1000.0)
    )
    assert reluctant < 0.05 < usual


def test_too_small_images_have_no_motion() -> None:
    for size in (1, MIN_FLOW_SIZE - 1):
        a = recorded(photograph("camera"), 0)[:size]
        assert global_then_dense(a, a) is None


def test_flicker_is_not_motion() -> None:
    a, b = recorded(photograph("coffee"), 0), recorded(photograph("coffee", (0.5, 0.25)), 1, gain=0.8, offset=0.06)
    error = _errors(_pair(global_then_dense(a, b)).forward, flow_of(turned(0, 1, (0.5, 0.25))))
    assert error.median() < 0.03
