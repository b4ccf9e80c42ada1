"""The mirrored border, ``… b a | a b c …``, and the transpose of adding it."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fold_mirrored", "mirror"]


def mirror(image: Tensor, radius: int, dim: int) -> Tensor:
    """``image`` with ``radius`` more samples at both ends of ``dim``, mirrored about the edge.

    An image shorter than the radius is mirrored again and again.
    """
    size = image.shape[dim]
    index = torch.remainder(torch.arange(-radius, size + radius, device=image.device), 2 * size)
    return image.index_select(dim, torch.minimum(index, 2 * size - 1 - index))


def fold_mirrored(padded: Tensor, radius: int, dim: int) -> Tensor:
    """The transpose of `mirror`: what lies in the border is added to the sample that it mirrors.

    A copy at a time, in a fixed order, so every run gives the same bytes.
    """
    size = padded.shape[dim] - 2 * radius
    result = padded.narrow(dim, radius, size).clone()
    for copy, done in enumerate(range(0, radius, size)):
        length = min(size, radius - done)
        before = padded.narrow(dim, radius - done - length, length)
        after = padded.narrow(dim, radius + size + done, length)
        first, last = result.narrow(dim, 0, length), result.narrow(dim, size - length, length)
        if copy % 2 == 0:
            first.add_(before.flip(dim))
            last.add_(after.flip(dim))
        else:
            last.add_(before)
            first.add_(after)
    return result
