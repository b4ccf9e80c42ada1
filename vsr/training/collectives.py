"""Several workers that take each step together: each has a share of the batch, gradients are averaged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["average", "average_gradients", "wait_for_all"]


def average_gradients(parameters: Sequence[nn.Parameter], world: int) -> None:
    """Replace each gradient by its mean over all workers of the process group; nothing for one worker."""
    if world == 1:
        return
    from torch import distributed

    gradients = [value.grad for value in parameters if value.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= world
    for gradient, piece in zip(gradients, torch.split(flat, [one.numel() for one in gradients]), strict=True):
        gradient.copy_(piece.view_as(gradient))


def average(value: float, world: int) -> float:
    """The mean of a number over all workers."""
    if world == 1:
        return value
    from torch import distributed

    shared: Tensor = torch.tensor(value, dtype=torch.float64)
    distributed.all_reduce(shared)
    return float(shared) / world


def wait_for_all(world: int) -> None:
    """Return when all workers have come here."""
    average(0.0, world)
