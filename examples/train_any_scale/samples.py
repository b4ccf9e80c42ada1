"""Images made small by real factors, some blurred, noisy or compressed, each beside its ground truth.

Everything is BT.601 luma in video range (16…235), in codes of 255, as videos hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsr.errors import InputError
from vsr.media.compression import compress_luma
from vsr.media.image_files import IMAGE_FILE_SUFFIXES, read_image
from vsr.metrics import luma_bt601
from vsr.networks.mixture import Mixture
from vsr.networks.source import LEAST_SIDE_PX
from vsr.observation import resample
from vsr.observation.blur import GaussianBlur

__all__ = ["DEGRADATIONS", "Sample", "draw_samples", "read_lumas"]

LARGEST = 4.0  # magnification
WHOLE_SHARE, NEAR_SHARE = 0.25, 0.3  # of samples at x2, x3 and x4, and below NEAR
NEAR = 1.4
SMALL_PX = 72  # side of the small image, or less
FRAMES = 3  # that are compressed together; the last is kept
TRIES = 20  # to make a sample, on average, before giving up

DEGRADATIONS: list[dict[str, object]] = [
    {"shrink": {"bicubic": 0.7, "camera": 0.3}, "camera_blur_px": [0.15, 0.7], "scales": [1.0, LARGEST]},
    {"noise": {"probability": 0.2, "codes": [0.5, 9.0]}},
    {"compression": {"none": 0.65, "h264": {"share": 0.25, "crf": [15, 34]}, "mpeg2": 0.05, "mjpeg": 0.05}},
]
"""What `draw_samples` draws, as the metadata of the weights tell it."""


@dataclass(frozen=True)
class Sample:
    """One small image and its ground truth."""

    small: Tensor
    """``(h, w)`` float32 in 0…255."""
    hr: Tensor
    """``(H, W)`` likewise; both sides cover what the small image covers."""
    is_clean: bool
    """Whether it was only made small, by bicubic interpolation."""
    estimates: Tensor
    """The source as a mixture's estimator tells it, ``(3,)``."""


def read_lumas(folders: Sequence[Path]) -> list[Tensor]:
    """``(H, W)`` float32 of each image. `InputError` where a folder holds none."""
    lumas = []
    for folder in folders:
        paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_FILE_SUFFIXES | {".webp"})
        if not paths:
            raise InputError(f"{folder}: holds no image")
        for path in paths:
            stored = read_image(path)
            full = torch.from_numpy(255.0 * stored.astype(np.float32) / np.iinfo(stored.dtype).max)
            lumas.append(16 + full * 219 / 255 if full.ndim == 2 else luma_bt601(full.permute(2, 0, 1)).float())
    return lumas


def draw_samples(lumas: Sequence[Tensor], count: int, mixture: Mixture, rng: np.random.Generator) -> list[Sample]:
    """So many. `InputError` where images are too small for it."""
    shares = np.array([luma.numel() ** 0.5 for luma in lumas])
    shares /= shares.sum()
    samples: list[Sample] = []
    for _ in range(TRIES * (count + 1)):
        if len(samples) == count:
            return samples
        found = _draw(lumas[rng.choice(len(lumas), p=shares)], mixture, rng)
        samples += [found] if found is not None else []
    raise InputError(f"images are too small: sides of {LEAST_SIDE_PX * LARGEST:g} pixels are needed; give larger ones")


def _draw(luma: Tensor, mixture: Mixture, rng: np.random.Generator) -> Sample | None:
    drawn = rng.random()
    largest = NEAR if drawn < WHOLE_SHARE + NEAR_SHARE else LARGEST
    scale = float(rng.integers(2, 5)) if drawn < WHOLE_SHARE else float(np.exp(rng.uniform(0.02, np.log(largest))))
    sides = [min(SMALL_PX, int(side / scale)) for side in luma.shape]
    if min(sides) < LEAST_SIDE_PX:
        return None
    height, width = (min(round(side * scale), full) for side, full in zip(sides, luma.shape, strict=True))
    top, left = (int(rng.integers(0, full - side + 1)) for full, side in zip(luma.shape, (height, width), strict=True))
    hr = luma[top : top + height, left : left + width]
    small, is_clean = _degraded(hr, (sides[0], sides[1]), rng)
    known = 0.0 if is_clean and rng.random() < 0.5 else None
    estimates = mixture.estimate([small / 255], known)
    assert estimates is not None, "sides are long enough"
    return Sample(small, hr.contiguous(), is_clean, estimates)


def _degraded(hr: Tensor, size_yx: tuple[int, int], rng: np.random.Generator) -> tuple[Tensor, bool]:
    """The small image, and whether it was only made small."""
    blurred = hr
    if is_camera := rng.random() < 0.3:
        sigma = rng.uniform(0.15, 0.7) * hr.shape[0] / size_yx[0]
        blurred = GaussianBlur(sigma, sigma).A(hr[None])[0]
    small = resample(blurred, size_yx, kernel="bicubic")
    noise = rng.uniform(0.5, 9.0) if rng.random() < 0.2 else 0.0
    drawn = rng.random()
    codec = "" if drawn < 0.65 else "h264" if drawn < 0.9 else "mpeg2" if drawn < 0.95 else "mjpeg"
    if not noise and not codec:
        return small.round().clamp(0, 255), not is_camera
    frames = small + noise * torch.from_numpy(rng.standard_normal((FRAMES, *size_yx))).float()
    recorded = frames.round().clamp(0, 255).to(torch.uint8).numpy()
    if codec:
        quality = rng.uniform(15, 34) if codec == "h264" else rng.uniform(2, 10)
        recorded = compress_luma(recorded, codec, quality, preset="medium" if codec == "h264" else "")
    return torch.from_numpy(recorded[-1].astype(np.float32)), False
