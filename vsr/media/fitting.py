"""Images of one shape inside those of another: the largest rectangle that shows them undistorted, and black bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vsr.media.convert import OutputFormat, code_range

__all__ = ["Area", "fit", "pad"]

_GRID = 4
"""Bars start and end on multiples of so many samples, so that chroma of any subsampling is cut cleanly."""


@dataclass(frozen=True)
class Area:
    """A rectangle of luma samples in an image."""

    left: int
    top: int
    width: int
    height: int


def fit(shape: Fraction, width: int, height: int, sample_aspect_ratio: Fraction) -> Area:
    """Where an image lies that is shown ``shape`` times as wide as high, in one of ``width`` × ``height`` samples.

    All of the latter where the shapes are the same within its samples' grid; else as large as it can be, centred.
    """
    ratio = shape / (sample_aspect_ratio * Fraction(width, height))
    if ratio > 1:
        inside = _on_grid(height / ratio, height)
        return Area(0, (height - inside) // 2 // _GRID * _GRID, width, inside)
    inside = _on_grid(width * ratio, width)
    return Area((width - inside) // 2 // _GRID * _GRID, 0, inside, height)


def _on_grid(requested: Fraction, full: int) -> int:
    if full - requested < _GRID:
        return full
    return max(1, min(full, max(_GRID, round(requested / _GRID) * _GRID)))


def pad(
    planes: Sequence[NDArray[np.generic]], area: Area, target: OutputFormat, width: int, height: int
) -> tuple[NDArray[np.generic], ...]:
    """The planes of an image of ``area``'s size on black ones of ``width`` × ``height``; alpha is 0 around it."""
    if (area.width, area.height) == (width, height):
        return tuple(planes)
    layout = target.layout
    padded = []
    for number, plane in enumerate(planes):
        is_chroma = layout.is_chroma(number)
        is_alpha = layout.has_alpha and number == layout.num_planes - 1
        black = 0.0 if is_alpha else code_range(layout, target.color.full_range, is_chroma)[0]
        whole = np.full(layout.plane_size(number, width, height), black, plane.dtype)
        top = area.top >> (layout.chroma_shift_y if is_chroma else 0)
        left = area.left >> (layout.chroma_shift_x if is_chroma else 0)
        rows, columns = plane.shape
        whole[top : top + rows, left : left + columns] = plane
        padded.append(whole)
    return tuple(padded)
