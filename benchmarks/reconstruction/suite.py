"""The synthetic suite: three photographs, sixteen shifted low-resolution frames of each, made by Fourier transforms.

Frames are made by shifting and blurring the spectrum, then keeping every s-th sample, so that what makes them is not
the operator that solvers invert. Everything is seeded: the same frames every time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

IMAGES = ("camera", "astronaut", "coffee")
SIZE = 384
NUM_FRAMES = 16
SIGMA_PX = 1.0
NOISE = 2 / 255
CROP = 16
DAMAGED_SHARE = 0.05
ROLL = (3, 5)


@dataclass(frozen=True)
class Case:
    """One scene as recorded."""

    name: str
    hr: Tensor
    """(H, W) float64."""
    frames: Tensor
    """(K, h, w) float32, values 0…1 in steps of 1/255."""
    shifts_px: Tensor
    """(K, 2) float64: frame k shows at p what the unmoved frame shows at p + shift, in samples."""
    scale: int


def photographs() -> dict[str, Tensor]:
    """Luma of scikit-image's images, the central square, antialiased to SIZE, float64."""
    from skimage import data, transform

    made = {}
    for name in IMAGES:
        image = np.asarray(getattr(data, name)(), dtype=np.float64) / 255
        if image.ndim == 3:
            image = image[..., :3] @ np.array([0.299, 0.587, 0.114])
        side = min(image.shape)
        top, left = ((length - side) // 2 for length in image.shape)
        square = image[top : top + side, left : left + side]
        made[name] = torch.from_numpy(transform.resize(square, (SIZE, SIZE), anti_aliasing=True))
    return made


def shifted_and_blurred(image: Tensor, shift_px: tuple[float, float], sigma_px: float) -> Tensor:
    """``image`` read at p + shift after a Gaussian blur, both exact for the periodic image."""
    waves = [torch.fft.fftfreq(size, dtype=torch.float64) for size in image.shape]
    squares = waves[0][:, None] ** 2 + waves[1] ** 2
    turns = waves[0][:, None] * shift_px[0] + waves[1] * shift_px[1]
    gain = torch.exp(-2 * math.pi**2 * sigma_px**2 * squares) * torch.exp(2j * math.pi * turns)
    return torch.fft.ifft2(torch.fft.fft2(image) * gain).real


def make_case(
    name: str,
    image: Tensor,
    scale: int,
    *,
    outliers: bool = False,
    num_frames: int = NUM_FRAMES,
    sigma_px: float = SIGMA_PX,
    noise: float = NOISE,
    seed: int = 0,
) -> Case:
    """Frames of ``image``; with ``outliers`` salt and pepper, and the middle frame rolled away."""
    generator = torch.Generator().manual_seed(seed)
    shifts = (torch.rand(NUM_FRAMES, 2, generator=generator, dtype=torch.float64) - 0.5) * scale
    shifts[0] = 0
    centre = (scale - 1) / 2
    frames = []
    for number in range(num_frames):
        shift = (float(shifts[number, 0]) + centre, float(shifts[number, 1]) + centre)
        frame = shifted_and_blurred(image, shift, sigma_px)[::scale, ::scale]
        if outliers and number == num_frames // 2:
            frame = torch.roll(frame, ROLL, (0, 1))
        frame = frame + noise * torch.randn(frame.shape, generator=generator, dtype=torch.float64)
        if outliers:
            dice = torch.rand(frame.shape, generator=generator)
            frame = torch.where(dice < DAMAGED_SHARE / 2, torch.zeros_like(frame), frame)
            frame = torch.where(dice > 1 - DAMAGED_SHARE / 2, torch.ones_like(frame), frame)
        frames.append((frame.clamp(0, 1) * 255).round() / 255)
    return Case(name, image, torch.stack(frames).float(), shifts[:num_frames] / scale, scale)


def psnr_db(image: Tensor, reference: Tensor, crop: int = CROP) -> float:
    """Peak signal to noise ratio of what ``crop`` leaves, values 0…1 clipped."""
    error = image.double().clamp(0, 1) - reference
    return float(-10 * torch.log10(error[crop:-crop, crop:-crop].square().mean()))
