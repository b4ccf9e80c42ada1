"""Curves of a run as an image: PSNR on the validation images, and the loss. Drawn with OpenCV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.errors import MachineError

__all__ = ["draw_curves", "png_bytes"]

_WIDTH, _HEIGHT = 960, 360  # of one panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 36, 40
_INK, _GRID, _LINE, _OTHER = (40, 40, 40), (225, 225, 225), (190, 90, 20), (120, 120, 120)  # blue, green, red
_TICKS = 5

Point = tuple[float, float]


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: int
    stop: int

    def place(self, value: float) -> int:
        """Pixel of a value."""
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start))

    def ticks(self) -> list[float]:
        """Round values between the ends."""
        rough = (self.high - self.low) / _TICKS
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def draw_curves(lines: Sequence[dict[str, Any]], bicubic_psnr: float | None) -> NDArray[np.uint8]:
    """``(H, W, 3)`` uint8 BGR from a run's log; panels without points are left out."""
    psnr = [(float(line["step"]), float(line["psnr_y"])) for line in lines if "psnr_y" in line]
    loss = [(float(line["step"]), float(line["loss"])) for line in lines if "loss" in line]
    panels = []
    if psnr:
        panels.append(_panel("PSNR of Y, dB (grey: bicubic)", psnr, bicubic_psnr))
    if loss:
        panels.append(_panel("log10 of the loss", [(x, math.log10(max(y, 1e-12))) for x, y in loss], None))
    return np.concatenate(panels or [np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)])


def _axes(points: Sequence[Point], reference: float | None) -> tuple[_Axis, _Axis]:
    values = [y for _, y in points] + ([] if reference is None else [reference])
    spread = max(max(values) - min(values), 1e-3)
    last = max(max(x for x, _ in points), 1.0)
    across = _Axis(0.0, last, _LEFT, _WIDTH - _RIGHT)
    up = _Axis(min(values) - 0.05 * spread, max(values) + 0.05 * spread, _HEIGHT - _BOTTOM, _TOP)
    return across, up


def _panel(title: str, points: Sequence[Point], reference: float | None) -> NDArray[np.uint8]:
    import cv2

    image = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    across, up = _axes(points, reference)

    def write(text: str, x: int, y: int) -> None:
        cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)

    for value in across.ticks():
        x = across.place(value)
        cv2.line(image, (x, _TOP), (x, _HEIGHT - _BOTTOM), _GRID, 1)
        write(f"{value:g}", x - 4 * len(f"{value:g}"), _HEIGHT - _BOTTOM + 20)
    for value in up.ticks():
        y = up.place(value)
        cv2.line(image, (_LEFT, y), (_WIDTH - _RIGHT, y), _GRID, 1)
        write(f"{value:.5g}", _LEFT - 60, y + 5)
    if reference is not None:
        y = up.place(reference)
        cv2.line(image, (_LEFT, y), (_WIDTH - _RIGHT, y), _OTHER, 2)
    corners = np.array([[across.place(x), up.place(y)] for x, y in points], np.int32)
    cv2.polylines(image, [corners], isClosed=False, color=_LINE, thickness=2, lineType=cv2.LINE_AA)
    cv2.rectangle(image, (_LEFT, _TOP), (_WIDTH - _RIGHT, _HEIGHT - _BOTTOM), _INK, 1)
    write(title, _LEFT, _TOP - 12)
    write("step", _WIDTH - _RIGHT - 32, _HEIGHT - 6)
    return image


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """A ``(H, W)`` grey or ``(H, W, 3)`` BGR image as a PNG file."""
    import cv2

    done, data = cv2.imencode(".png", image)
    if not done:
        raise MachineError("OpenCV cannot write PNG here; reinstall opencv-python")
    return bytes(data.tobytes())
