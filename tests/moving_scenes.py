"""Small frames of scenes whose motion is known by construction, for tests of registration."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIZE = 128
"""Height and width of all frames."""

_SCALE = 3
_BLUR_SIGMA = 1.0  # in pixels of the photograph: a third of a pixel of the frame, which therefore aliases


@cache
def _blurred_spectrum(name: str) -> NDArray[np.complex128]:
    from skimage import data

    image = np.asarray(getattr(data, name)(), dtype=np.float64) / 255
    if image.ndim == 3:
        image = image @ np.array([0.299, 0.587, 0.114])
    freq_y = np.fft.fftfreq(image.shape[0])[:, None]
    freq_x = np.fft.fftfreq(image.shape[1])
    blur = np.exp(-2 * (np.pi * _BLUR_SIGMA) ** 2 * (freq_y**2 + freq_x**2))
    return np.fft.fft2(image) * blur


def photograph(name: str, shift_yx: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
    """``(SIZE, SIZE)`` in 0…1: the middle of a photograph of scikit-image, sampled at every third pixel.

    Content sits ``shift_yx`` pixels of the frame further down and right: a phase factor on the spectrum.
    """
    spectrum = _blurred_spectrum(name)
    freq_y = np.fft.fftfreq(spectrum.shape[0])[:, None]
    freq_x = np.fft.fftfreq(spectrum.shape[1])
    phase = np.exp(-2j * np.pi * _SCALE * (freq_y * shift_yx[0] + freq_x * shift_yx[1]))
    moved: NDArray[np.float64] = np.fft.ifft2(spectrum * phase).real
    top, left = ((n - SIZE * _SCALE) // 2 for n in moved.shape)
    return moved[top : top + SIZE * _SCALE : _SCALE, left : left + SIZE * _SCALE : _SCALE]


def texture(matrix: NDArray[np.float64] | None = None, *, seed: int = 0) -> NDArray[np.float64]:
    """``(SIZE, SIZE)`` in 0…1: a sum of waves, some too fine for the grid, moved by ``matrix``.

    What is at (x, y) without a matrix is found at ``matrix @ (x, y, 1)`` with it: waves can be read anywhere.
    """
    rng = np.random.default_rng(seed)
    waves = 80
    frequency = rng.uniform(0.01, 0.65, waves)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, waves))
    size = frequency**-0.7
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    if matrix is not None:
        points = np.linalg.inv(matrix) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
        x, y = (row.reshape(SIZE, SIZE) for row in points[:2] / points[2])
    image = np.zeros((SIZE, SIZE))
    for f, a, p, s in zip(frequency, angle, phase, size, strict=True):
        image += s * np.sin(2 * np.pi * f * (np.cos(a) * x + np.sin(a) * y) + p)
    return (0.5 + 0.15 * image / np.sqrt(0.5 * np.square(size).sum())).clip(0, 1)


def recorded(
    image: NDArray[np.float64],
    seed: int,
    *,
    noise: float = 2 / 255,
    impulses: float = 0.0,
    gain: float = 1.0,
    offset: float = 0.0,
) -> Tensor:
    """``image`` as a camera might have it, float32: brightness, Gaussian noise, 8 bits, salt and pepper."""
    rng = np.random.default_rng(seed)
    values = gain * image + offset + noise * rng.standard_normal(image.shape)
    values = np.round(values.clip(0, 1) * 255) / 255
    outliers = rng.random(image.shape)
    values = np.where(outliers < impulses, outliers < impulses / 2, values)
    return torch.from_numpy(values).to(torch.float32)


def turned(degrees: float, zoom: float = 1.0, shift_yx: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
    """The matrix (acting on (x, y, 1)) of a turn and a zoom about the frame's middle, then a shift."""
    angle, middle = np.deg2rad(degrees), (SIZE - 1) / 2
    linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = middle - linear @ [middle, middle] + np.array(shift_yx[::-1])
    return matrix


def flow_of(matrix: NDArray[np.float64]) -> Tensor:
    """The motion of each pixel by ``matrix``, ``(2, SIZE, SIZE)`` float64, rows first."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    points = matrix @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    to_x, to_y = (row.reshape(SIZE, SIZE) for row in points[:2] / points[2])
    return torch.from_numpy(np.stack([to_y - y, to_x - x]))
