"""Interpolation of luma in float64: the baseline of every table."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from vsr.evaluation.base import ImageMethod
from vsr.observation import Kernel, resample

__all__ = ["interpolation_method"]


def _enlarge(image: Tensor, ordinal: int = 0, /, *, kernel: Kernel, scale: int, device: torch.device) -> Tensor:
    size = (image.shape[-2] * scale, image.shape[-1] * scale)
    return resample(image.to(device), size, kernel=kernel).cpu()


def interpolation_method(kernel: Kernel, scale: int, device: torch.device) -> ImageMethod:
    """Enlargement by ``kernel``, as MATLAB's ``imresize``."""
    return ImageMethod(
        name=kernel,
        description=f"{kernel} interpolation",
        digest=kernel,
        scale=scale,
        colour="Y",
        enlarge=partial(_enlarge, kernel=kernel, scale=scale, device=device),
    )
