"""Calibrations are read as OpenCV wrote them; nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vsr.errors import UsageError
from vsr.media.calibration import read_calibration

_MATRIX = np.array([[900.0, 0, 959.5], [0, 905.0, 539.5], [0, 0, 1]])
_ROS = """
image_width: 640
image_height: 480
distortion_model: equidistant
camera_matrix: {rows: 3, cols: 3, data: [300.0, 0.0, 320.0, 0.0, 300.0, 240.0, 0.0, 0.0, 1.0]}
distortion_coefficients: {rows: 1, cols: 4, data: [0.01, 0.002, 0.0, 0.0]}
"""


def test_files_of_opencv(tmp_path: Path) -> None:
    path = tmp_path / "camera.yml"
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    file.write("image_width", 1920)
    file.write("image_height", 1080)
    file.write("camera_matrix", _MATRIX)
    file.write("distortion_coefficients", np.array([[-0.3, 0.1, 1e-3, -2e-3, -0.02]]))
    file.release()
    lens = read_calibration(path)
    assert (lens.focal_xy, lens.centre_xy, lens.size_xy) == ((900.0, 905.0), (959.5, 539.5), (1920, 1080))
    assert lens.coefficients == (-0.3, 0.1, 1e-3, -2e-3, -0.02)
    assert not lens.is_fisheye


def test_files_of_ros(tmp_path: Path) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(_ROS)
    lens = read_calibration(path)
    assert lens.is_fisheye
    assert (lens.coefficients, lens.size_xy) == ((0.01, 0.002, 0.0, 0.0), (640, 480))


@pytest.mark.parametrize(
    "text",
    ["", "just words", "camera_matrix: 3", _ROS.replace("camera_matrix", "c"), _ROS.replace("300.0", "x"),
     _ROS.replace("[0.01, 0.002, 0.0, 0.0]", "[0.1]"), "!!python/object/apply:os.system ['true']", "[1, {",
     _ROS.replace("640", "0"), _ROS.replace("480", "-1"), _ROS.replace("640", ".inf"), _ROS.replace("640", "9" * 400),
     _ROS.replace("300.0", "9" * 400), _ROS.replace("300.0", "x" * 5000), "[" * 5000, _ROS + "#" * 1_000_000],
)  # fmt: skip
def test_what_is_no_calibration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"camera\.yaml") as refused:
        read_calibration(path)
    reason = str(refused.value).replace(str(path), "")
    assert "\n" not in reason
    assert len(reason) < 300
    with pytest.raises(UsageError, match="cannot be read"):
        read_calibration(tmp_path / "none.yaml")
