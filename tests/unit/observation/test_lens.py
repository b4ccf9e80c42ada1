"""The lens models are OpenCV's."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vsr.observation.lens import Lens

FOCAL, CENTRE = (410.0, 405.0), (322.5, 238.25)
MATRIX = np.array([[FOCAL[0], 0, CENTRE[0]], [0, FOCAL[1], CENTRE[1]], [0, 0, 1]])
POLYNOMIALS = [
    (-0.28, 0.07, 1e-3, -5e-4),
    (-0.28, 0.07, 1e-3, -5e-4, -0.01),
    (0.1, -0.05, 1e-3, 2e-3, 0.01, 0.2, 0.01, 0.002),
    (-0.2, 0.05, 0, 0, 0, 0.02, 0, 0, 1e-3, 2e-4, -1e-3, 1e-4),
]
FISHEYE = (0.02, -0.01, 0.003, -0.0005)


def _grid() -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(*(torch.linspace(0, n - 1, 9, dtype=torch.float64) for n in (480, 640)), indexing="ij")
    return x, y


def _by_opencv(lens: Lens) -> np.ndarray[Any, Any]:
    x, y = _grid()
    rays = np.stack([(x.numpy() - CENTRE[0]) / FOCAL[0], (y.numpy() - CENTRE[1]) / FOCAL[1]], -1).reshape(-1, 1, 2)
    if lens.is_fisheye:
        return cv2.fisheye.distortPoints(rays, MATRIX, np.array(lens.coefficients))[:, 0]
    solid = np.concatenate([rays, np.ones_like(rays[..., :1])], -1)
    return cv2.projectPoints(solid, np.zeros(3), np.zeros(3), MATRIX, np.array(lens.coefficients))[0][:, 0]


@pytest.mark.parametrize("lens", [*(Lens(FOCAL, CENTRE, c) for c in POLYNOMIALS), Lens(FOCAL, CENTRE, FISHEYE, True)])
def test_points_lie_where_opencv_has_them(lens: Lens) -> None:
    x, y = _grid()
    to_x, to_y = lens.distort(x, y)
    found = torch.stack([to_x, to_y], -1).reshape(-1, 2).numpy()
    assert np.abs(found - _by_opencv(lens)).max() < 1e-9
    back_x, back_y = lens.undistort(to_x, to_y)
    assert float(torch.hypot(back_x - x, back_y - y).max()) < 1e-5


def test_where_the_model_folds_back_it_says_nothing() -> None:
    lens = Lens((300.0, 300.0), (319.5, 239.5), (-0.4, 0.0, 0.0, 0.0))
    x = torch.tensor([319.5, 500.0, 900.0], dtype=torch.float64)
    to_x, _ = lens.distort(x, torch.full_like(x, 239.5))
    assert to_x[:2].isfinite().all()
    assert to_x[2].isnan(), "at 1.9 focal lengths from the axis, where the polynomial falls since 0.9"


def test_a_calibration_holds_at_other_sizes_of_the_same_shape() -> None:
    lens = Lens(FOCAL, CENTRE, FISHEYE, True, (640, 480))
    half = lens.for_size(320, 240)
    x, y = (value.to(torch.float64) for value in (torch.tensor([30.0]), torch.tensor([200.0])))
    large = lens.distort(x, y)
    small = half.distort((x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5)
    assert float((small[0] + 0.5) * 2 - 0.5) == pytest.approx(float(large[0]))
    assert float((small[1] + 0.5) * 2 - 0.5) == pytest.approx(float(large[1]))
    with pytest.raises(ValueError, match="another shape"):
        lens.for_size(640, 360)


@pytest.mark.parametrize(
    ("focal", "coefficients", "fisheye"),
    [((0.0, 1.0), (0.0,) * 4, False), ((1.0, 1.0), (0.0,) * 6, False), ((1.0, 1.0), (0.0,) * 5, True)],
)
def test_what_is_no_lens(focal: tuple[float, float], coefficients: tuple[float, ...], fisheye: bool) -> None:
    with pytest.raises(ValueError, match=r"focal|coefficients"):
        Lens(focal, (0.0, 0.0), coefficients, fisheye)
