"""One image that shows the same detail in several versions, side by side, with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.errors import MachineError

__all__ = ["Panel", "busiest_crop", "side_by_side", "write_side_by_side"]

Image = NDArray[np.uint8]

_GAP = 6
_LABEL_HEIGHT = 24
_BACKGROUND = 24
_INK = (235, 235, 235)


@dataclass(frozen=True)
class Panel:
    """One version of the image."""

    label: str
    """Short text above it, ASCII."""
    image: Image
    """``(H, W, 3)`` uint8 RGB of any size; a smaller one is shown with enlarged, unsmoothed pixels."""


def busiest_crop(image: NDArray[Any], height: int, width: int) -> tuple[int, int]:
    """``(top, left)`` of the ``height`` × ``width`` part of ``(H, W, C)`` with the strongest gradients.

    A detail limited to the image's size, found on a grid of quarter steps.
    """
    gray = image.astype(np.float64).mean(axis=2)
    energy = np.abs(np.diff(gray, axis=0))[:, :-1] + np.abs(np.diff(gray, axis=1))[:-1, :]
    sums = np.pad(energy.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = min(height, energy.shape[0]), min(width, energy.shape[1])
    tops = range(0, energy.shape[0] - height + 1, max(1, height // 4))
    lefts = range(0, energy.shape[1] - width + 1, max(1, width // 4))

    def strength(place: tuple[int, int]) -> float:
        top, left = place
        bottom, right = top + height, left + width
        return float(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])

    return max(((top, left) for top in tops for left in lefts), key=strength)


def _cut(image: Image, full_hw: tuple[int, int], box: tuple[int, int, int, int], zoom: int) -> Image:
    """The box ``(top, left, height, width)`` of a ``full_hw`` image, ``zoom`` times, nearest pixel."""
    top, left, height, width = box
    rows = (np.arange(height * zoom) / zoom + top + 0.5 / zoom) * image.shape[0] / full_hw[0]
    cols = (np.arange(width * zoom) / zoom + left + 0.5 / zoom) * image.shape[1] / full_hw[1]
    inside_rows = np.minimum(rows.astype(np.int64), image.shape[0] - 1)
    inside_cols = np.minimum(cols.astype(np.int64), image.shape[1] - 1)
    cut: Image = image[inside_rows][:, inside_cols]
    return cut


def _label(text: str, width: int) -> Image:
    import cv2

    strip = np.full((_LABEL_HEIGHT, width, 3), _BACKGROUND, dtype=np.uint8)
    place = (4, _LABEL_HEIGHT - 8)
    cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return strip


def side_by_side(
    panels: Sequence[Panel], *, crop_hw: tuple[int, int] = (120, 160), zoom: int = 3, columns: int = 2
) -> Image:
    """A sheet of labelled panels, ``(h, w, 3)`` uint8 RGB, all showing one detail, ``zoom`` times.

    The detail is the busiest part of the last panel, whose size sets the scale: put the ground truth there, or the
    result. ``crop_hw`` is in that panel's pixels.
    """
    if not panels:
        raise ValueError("side_by_side needs at least one panel")
    reference = panels[-1].image
    full_hw = (reference.shape[0], reference.shape[1])
    height, width = min(crop_hw[0], full_hw[0]), min(crop_hw[1], full_hw[1])
    top, left = busiest_crop(reference, height, width) if min(full_hw) > 1 else (0, 0)
    cells = []
    for panel in panels:
        cut = _cut(panel.image, full_hw, (top, left, height, width), zoom)
        cells.append(np.concatenate([_label(panel.label, cut.shape[1]), cut]))
    return _sheet(cells, columns)


def _sheet(cells: Sequence[Image], columns: int) -> Image:
    height, width = cells[0].shape[:2]
    num_rows = -(-len(cells) // columns)
    num_columns = min(columns, len(cells))
    size = (num_rows * (height + _GAP) + _GAP, num_columns * (width + _GAP) + _GAP, 3)
    sheet = np.full(size, _BACKGROUND, dtype=np.uint8)
    for index, cell in enumerate(cells):
        top = _GAP + (index // columns) * (height + _GAP)
        left = _GAP + (index % columns) * (width + _GAP)
        sheet[top : top + height, left : left + width] = cell
    return sheet


def write_side_by_side(
    path: Path, panels: Sequence[Panel], *, crop_hw: tuple[int, int] = (120, 160), zoom: int = 3
) -> None:
    """Write `side_by_side` as a PNG; raises `MachineError` if ``path`` cannot be written."""
    import cv2

    encoded, data = cv2.imencode(".png", side_by_side(panels, crop_hw=crop_hw, zoom=zoom)[:, :, ::-1])
    if not encoded:
        raise MachineError(f"{path}: the image could not be encoded as PNG")
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
