"""Values beyond white, which floating-point video may hold, brought into a range that solvers can work in and back."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["compress_highlights", "expand_highlights"]

_LIMIT = 65504.0  # largest of half precision, in which such video is stored


def compress_highlights(values: Tensor) -> Tensor:
    """``values`` of any shape, where 1 is white, with the logarithm of what lies beyond white: 65504 becomes 12.1.

    Slope and value go on smoothly at 1; what is below stays as it is, and so does what lies as far below 0, mirrored.
    NaN becomes 0, infinity the largest half-precision number.
    """
    finite = torch.nan_to_num(values, nan=0.0, posinf=_LIMIT, neginf=-_LIMIT)
    beyond = finite.abs().clamp(1.0, _LIMIT)
    return finite.clamp(-1.0, 1.0) + torch.copysign(beyond.log(), finite)


def expand_highlights(values: Tensor) -> Tensor:
    """The inverse of `compress_highlights`."""
    return values.clamp(-1.0, 1.0) + torch.copysign((values.abs() - 1).clamp(min=0).exp() - 1, values)
