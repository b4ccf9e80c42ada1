"""A scene that is known everywhere: waves of many lengths, so that any pixel's exact value can be written down.

A pixel is the mean of the scene over its square, behind a lens that softens. Of a wave that is the wave itself, weaker
by a known factor, so small and large images are exact, and no operator of the program makes one from the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.media.clips import write_clip

__all__ = ["RATE", "Scene", "write_gray"]

RATE = Fraction(25)

Image = NDArray[np.float64]

_WAVES = 90
_FINEST = 0.42  # cycles in a pixel of the large image; half of its samples could show 0.5
_SPREAD = 34.0  # standard deviation, in codes


class Scene:
    """Waves from a seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        angle, length = rng.uniform(0, 2 * math.pi, _WAVES), rng.uniform(0.02, _FINEST, _WAVES)
        self._down, self._right = length * np.sin(angle), length * np.cos(angle)
        self._phase = rng.uniform(0, 2 * math.pi, _WAVES)
        size = 1 / np.sqrt(length)
        self._size = size * _SPREAD / math.sqrt(np.square(size).sum() / 2)

    def image(
        self,
        height: int,
        width: int,
        *,
        pixel: float = 1.0,
        shift_yx: tuple[float, float] = (0.0, 0.0),
        lens_sigma: float = 0.0,
    ) -> Image:
        """``(height, width)`` code values, in pixels ``pixel`` wide, seen from ``shift_yx`` through a Gaussian lens.

        All lengths are in pixels of the large image.
        """
        rows = (np.arange(height) + 0.5) * pixel + shift_yx[0]
        columns = (np.arange(width) + 0.5) * pixel + shift_yx[1]
        image = np.full((height, width), 128.0)
        for down, right, phase, size in zip(self._down, self._right, self._phase, self._size, strict=True):
            lens = math.exp(-2 * (math.pi * lens_sigma) ** 2 * (down**2 + right**2))
            mean = size * lens * np.sinc(down * pixel) * np.sinc(right * pixel)
            image += mean * np.sin(2 * math.pi * (down * rows[:, None] + right * columns[None, :]) + phase)
        return image


def write_gray(path: Path, images: Sequence[Image]) -> Path:
    """A video of ``(H, W)`` code values as grey, without loss but for rounding."""
    frames = [np.repeat(image.round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2) for image in images]
    write_clip(path, frames, RATE, crf=0)
    return path
