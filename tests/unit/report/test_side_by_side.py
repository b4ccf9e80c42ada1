"""The sheet of labelled panels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsr.errors import MachineError
from vsr.report import Panel, busiest_crop, side_by_side, write_side_by_side

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")


def _image(height: int, width: int) -> np.ndarray:
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[height // 2 : height * 3 // 4, width // 2 : width * 3 // 4] = np.random.default_rng(0).integers(
        0, 255, (height // 4, width // 4, 3)
    )
    return image


def test_busiest_crop_finds_the_detail() -> None:
    assert busiest_crop(_image(160, 160), 40, 40) == (80, 80)
    assert busiest_crop(_image(16, 16), 40, 40) == (0, 0)


def test_panels_show_the_same_place() -> None:
    large = _image(160, 160)
    small = large[::2, ::2]
    sheet = side_by_side([Panel("small", small), Panel("large", large)], crop_hw=(40, 40), zoom=2)
    assert sheet.dtype == np.uint8
    left, right = sheet[30:110, 6:86], sheet[30:110, 92:172]
    assert np.array_equal(right[::2, ::2], large[80:120, 80:120])
    assert np.array_equal(left[::4, ::4], small[40:60, 40:60])


def test_written_file_reads_back(tmp_path: Path) -> None:
    panels = [Panel(name, _image(60, 80)) for name in ("a", "b", "c")]
    write_side_by_side(tmp_path / "sheet.png", panels)
    read = cv2.imread(str(tmp_path / "sheet.png"))
    assert np.array_equal(read[:, :, ::-1], side_by_side(panels))


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        side_by_side([])
    with pytest.raises(MachineError, match="cannot be written"):
        write_side_by_side(tmp_path / "none" / "sheet.png", [Panel("a", _image(20, 20))])
