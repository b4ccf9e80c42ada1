"""Single outlying pixels (salt and pepper, dust, dead pixels), found and replaced before images are compared."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.kernels import kernel

__all__ = ["replace_impulses", "without_impulses"]

_LEAST_STEP = 0.04  # 0…1: standing out by less is noise
_STEP_SHARE = 0.35  # of the range of the other pixels: standing out by less is detail


def _sorted3(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    middle, highest = torch.minimum(high, c), torch.maximum(high, c)
    return torch.minimum(low, middle), torch.maximum(low, middle), highest


def without_impulses(image: Tensor) -> tuple[Tensor, Tensor]:
    """``(filled, good)`` of an ``(H, W)`` image in 0…1: impulses replaced, and 1.0 where nothing was, else 0.0.

    An impulse is the highest of its 3×3 neighbourhood and exceeds the second highest by more than a third of the
    range from there to the second lowest; or the same downwards. The median replaces it. The border is repeated.
    """
    return replace_impulses(image, _LEAST_STEP, _STEP_SHARE)


@kernel("vsr.kernels.registration")
def replace_impulses(image: Tensor, least_step: float, step_share: float) -> tuple[Tensor, Tensor]:
    """`without_impulses` with what standing out means: by ``least_step`` and ``step_share`` of the others' range."""
    padded = torch.nn.functional.pad(image[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    columns = _sorted3(padded[:-2], padded[1:-1], padded[2:])
    low, middle, high = (_sorted3(c[:, :-2], c[:, 1:-1], c[:, 2:]) for c in columns)
    median = _sorted3(low[2], middle[1], high[0])[1]
    second_low = torch.minimum(low[1], middle[0])
    second_high = torch.maximum(high[1], middle[2])
    step = torch.maximum(image - second_high, second_low - image)
    impulse = step > least_step + step_share * (second_high - second_low)
    return torch.where(impulse, median, image), (~impulse).to(image.dtype)
