"""Muon: momentum whose directions all count alike, for weights that are matrices.

After Jordan et al. 2024 ("Muon: an optimizer for hidden layers in neural networks"): the momentum of a matrix is
replaced by about the nearest orthogonal one, found by Newton and Schulz's iteration. A convolution's weights are a
matrix with one row an output channel. Steps are as long as Adam's (Liu et al., "Muon is scalable for LLM training",
2025), so that both take one learning rate. `torch.optim.Muon` does the same for one matrix at a time, in bfloat16, and
takes nothing but matrices; here those of one shape go together, in less than half the time where they are small.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["Muon", "is_for_muon"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic: steepest at 0; singular values end within 0.7…1.2
_ITERATIONS = 5
_ADAMS_STEP = 0.2  # root mean square of the change by an Adam step, in learning rates
_LEAST_SIDE = 8  # smaller matrices are left to Adam
_TINY = 1e-7


def is_for_muon(weights: Tensor) -> bool:
    """Whether ``weights`` ``(rows, …)`` are a matrix that is worth it."""
    return weights.ndim >= 2 and min(len(weights), weights[0].numel()) >= _LEAST_SIDE


def _orthogonalise(matrices: Tensor) -> Tensor:
    """About the nearest orthogonal matrix to each of ``(N, rows, columns)``, at the latter's own precision."""
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + _TINY)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


class Muon(Optimizer):
    """For weights of which `is_for_muon` is true, of any number of dimensions; no weight decay.

    ``momentum`` is Nesterov's. Deterministic: weights of one shape are taken together, in the order given.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, *, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change the weights by their gradients; ``closure`` is not supported."""
        assert closure is None
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                state = self.state[weights]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(weights)
                kept = state["momentum_buffer"].mul_(group["momentum"]).add_(weights.grad)
                ahead = weights.grad.add(kept, alpha=group["momentum"]).reshape(len(weights), -1)
                alike[(ahead.shape[0], ahead.shape[1])].append((weights, ahead))
            for shape, members in alike.items():
                changes = _orthogonalise(torch.stack([ahead for _, ahead in members]))
                length = group["lr"] * _ADAMS_STEP * max(shape) ** 0.5
                for (weights, _), change in zip(members, changes, strict=True):
                    weights.add_(change.reshape(weights.shape), alpha=-length)
