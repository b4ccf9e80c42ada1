"""Motion against a known image: a wrong start comes back, and its deviation is estimated."""

from __future__ import annotations

import pytest
import torch

from vsr.observation import reading_blur
from vsr.registration import MotionModel
from vsr.stills.boxes import Box, move_points, moved_by
from vsr.stills.canvas import Canvas, View
from vsr.stills.refining import MotionSums

REGION = Box(12, 10, 32, 24)


def _hr(canvas: Canvas) -> torch.Tensor:
    x, y = canvas.points()
    return 0.5 + 0.2 * torch.sin(0.9 * x + 0.2 * y) + 0.15 * torch.cos(0.3 * x - 0.8 * y)


@pytest.mark.parametrize("model", ["translation", "affine", "homography"])
def test_a_wrong_motion_comes_back(model: MotionModel) -> None:
    canvas = Canvas(REGION, REGION, 2.0)
    blur = reading_blur((0.9, 0.9), (2.0, 2.0))
    image = _hr(canvas)
    right = moved_by(0.6, -0.35)
    blank = torch.zeros(48, 60, dtype=torch.float64)
    _, model_right = canvas.observe([View(0, blank, right)], blur)
    recorded = model_right.A(image)
    motion = moved_by(0.3, 0.0)
    for _ in range(5):
        # the samples stay; only where they are taken to lie changes, on the same crop
        x, y = canvas.reference_points(model_right.rows, model_right.cols)
        frame_x, frame_y = move_points(right, x, y)
        at = canvas.place(*move_points(torch.linalg.inv(motion), frame_x, frame_y))
        observed = model_right.moved(at[0] - model_right.rows, at[1] - model_right.cols)
        sums = MotionSums.empty(REGION, model, 1)
        predicted, along_rows, along_cols = observed.read_with_slopes(blur.A(image))
        residual = recorded - predicted
        sums.add(canvas, observed, residual, (along_rows, along_cols), model_right.inside.double(), 0.01)
        [motion] = sums.improve([motion])
    corners = REGION.corners()
    for found, true in zip(
        move_points(motion, corners[0], corners[1]), move_points(right, corners[0], corners[1]), strict=True
    ):
        torch.testing.assert_close(found, true, atol=0.02, rtol=0)
    assert 0 < sums.deviations_px(0.01)[0] < 0.05
    assert sums.deviations_px(0.02)[0] == pytest.approx(2 * sums.deviations_px(0.01)[0])
