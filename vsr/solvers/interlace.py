"""Interlacing: frames that were shifted by whole steps of the fine grid are put together like a zip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.observation.model import ObservationModel
from vsr.solvers.base import Observations
from vsr.solvers.order_statistics import cell_medians

__all__ = ["InterlaceOptions", "solve_interlace"]


@dataclass(frozen=True)
class InterlaceOptions:
    """Parameters of `solve_interlace`."""

    tolerance_px: float = 0.05
    """How far from a whole step of the fine grid a frame may lie, in pixels of x."""


def _whole_steps(model: ObservationModel, tolerance_px: float) -> tuple[float, float]:
    """How far right of and below pixel centres all samples lie, ``(y, x)`` in -0.5…0.5; ValueError if they differ."""
    if any(abs(scale - round(scale)) > 1e-6 for scale in model.scale_yx):
        raise ValueError(f"interlacing needs a whole number of pixels per sample, got a scale of {model.scale_yx}")
    first = (model.rows[:, 0, 0].double(), model.cols[:, 0, 0].double())
    offsets = [float(axis[0] - axis[0].round()) for axis in first]
    for number in range(model.num_frames):
        steps = [float(axis[number] - axis[0]) for axis in first]
        if any(abs(step - round(step)) > tolerance_px for step in steps):
            raise ValueError(
                f"frame {number} is shifted by ({steps[0]:.3f}, {steps[1]:.3f}) pixels of the fine grid (y, x) against "
                "frame 0; interlacing needs whole steps, use another solver"
            )
    return offsets[0], offsets[1]


def _shift(image: Tensor, shift_yx: tuple[float, float]) -> Tensor:
    """``image`` ``(H, W)``, mirrored at its edges, read at ``p + shift``; exact for band-limited images."""
    for dim, shift in zip((0, 1), shift_yx, strict=True):
        if shift != 0.0:
            size = image.shape[dim]
            waves = torch.fft.fftfreq(2 * size, dtype=image.dtype, device=image.device)
            phases = torch.polar(torch.ones_like(waves), 2 * math.pi * shift * waves)
            mirrored = torch.cat([image, image.flip(dim)], dim)
            spectrum = torch.fft.fft(mirrored, dim=dim) * (phases[:, None] if dim == 0 else phases)
            image = torch.fft.ifft(spectrum, dim=dim).real.narrow(dim, 0, size)
    return image


def solve_interlace(observed: Observations, start: Tensor, options: InterlaceOptions) -> Tensor:
    """Put every sample on the pixel of ``(H, W)`` that it was taken at: x(p) = the median of the samples at p.

    The classical reconstruction for cameras that move their sensor by half or quarter pixels (Gillette, Stadtmiller
    and Hardie 1995): exact, to the last bit, where samples lie on pixel centres. Where all lie off by one and the same
    part of a pixel, as unshifted frames do at even scales, what they change in ``start`` is moved by that, exactly for
    band-limited images but at borders. Pixels without a sample of any confidence keep the value of ``start``. Samples
    are weighted by confidence; the blur is not undone. ValueError where frames lie off the common grid by more than
    ``tolerance_px`` or the scale is not a whole number. No iterations. Cost: a sort of the samples. float32 or float64.
    """
    model = observed.model
    offset_y, offset_x = _whole_steps(model, options.tolerance_px)
    near = (abs(offset_y) <= options.tolerance_px, abs(offset_x) <= options.tolerance_px)
    offset_yx = (0.0 if near[0] else offset_y, 0.0 if near[1] else offset_x)
    height, width = model.size_yx
    rows, cols = (model.rows - offset_yx[0]).round(), (model.cols - offset_yx[1]).round()
    inside = ((rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)).reshape(-1)
    cells = (rows.to(torch.int64) * width + cols.to(torch.int64)).reshape(-1)[inside]
    values, confidence = observed.frames.reshape(-1)[inside], observed.sample_weights().reshape(-1)[inside]
    medians, counts = cell_medians(cells, values, confidence, height * width)
    base = _shift(start, offset_yx)
    change = torch.where(counts > 0, medians - base.reshape(-1), torch.zeros_like(medians)).reshape(height, width)
    if offset_yx == (0.0, 0.0):
        return torch.where(counts.reshape(height, width) > 0, medians.reshape(height, width), start)
    return start + _shift(change, (-offset_yx[0], -offset_yx[1]))
