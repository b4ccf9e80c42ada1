"""How well a still agrees with the frames that it was made from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from vsr.stills.boxes import Box
from vsr.stills.fusion import Fused

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True)
class Agreement:
    """Residual of the frames after the still, degraded again by the imaging model; within the region."""

    lr_psnr_db: float
    """Over all samples of all frames."""
    residual_rms: float
    """0…1."""
    frames_db: tuple[float, ...]
    """LR-PSNR of each frame."""
    frames_rms: tuple[float, ...]


def _decibels(mean_square: float) -> float:
    return -10 * math.log10(max(mean_square, 1e-20))


def agreement(fused: Fused, region: Box) -> Agreement:
    """LR-PSNR of ``fused`` against its frames at the reference's brightness; all samples count alike."""
    squares, counts = [0.0] * len(fused.views), [0] * len(fused.views)
    for part in fused.parts:
        canvas = part.canvas
        samples, model = canvas.observe(fused.views, fused.imaging.blur(canvas.scale))
        residual = samples - model.A(part.image)
        margin, (height, width) = canvas.margin - 0.5, canvas.size_yx
        within = (model.rows >= margin) & (model.rows < height - 1 - margin)
        within &= (model.cols >= margin) & (model.cols < width - 1 - margin)
        for number in range(len(fused.views)):
            left = residual[number][within[number]]
            squares[number] += float(left.to(torch.float64).square().sum())
            counts[number] += left.numel()
    each = [square / max(1, count) for square, count in zip(squares, counts, strict=True)]
    whole = sum(squares) / max(1, sum(counts))
    return Agreement(
        _decibels(whole), math.sqrt(whole), tuple(map(_decibels, each)), tuple(math.sqrt(value) for value in each)
    )
