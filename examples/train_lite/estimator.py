"""The perceptron that tells blur, noise and compression from statistics; see `vsr.networks.source`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from sources import History, Item
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from vsr.networks.source import NUM_OF_SHOT, NUM_STATISTICS, estimates_of

__all__ = ["NUM_ESTIMATES", "estimated", "fit_estimator", "mean_errors", "truths"]

HIDDEN, NUM_ESTIMATES = 48, 3
EPOCHS, BATCH, RATE, WEIGHT_DECAY, KNEE = 50, 64, 2e-3, 0.02, 0.2
EPOCHS_GOING_ON, RATE_GOING_ON = 40, 1e-3
JITTER = 0.1  # noise on statistics, in their standard deviations
ALONE_SHARE = 0.25  # of items that count as single pictures, so that those are told, too
BLUR_OF = {"area": 0.0, "bicubic": -0.15}  # bicubic is sharper than averaging


def _truth(history: History) -> list[float]:
    blur = BLUR_OF.get(history.shrinking, history.blur_px)
    return [blur, math.log(1 + history.noise_codes), math.log(0.3 + history.error_codes)]


def truths(items: Sequence[Item]) -> Tensor:
    """What `estimates_of` should tell of each item, ``(N, 3)``: blur, log(1 + noise), log(0.3 + compression)."""
    return torch.tensor([_truth(item.history) for item in items])


def estimated(items: Sequence[Item], weights: Mapping[str, Tensor]) -> Tensor:
    """What it does tell, ``(N, 3)``."""
    return estimates_of(torch.stack([item.found for item in items]), weights)


def fit_estimator(items: Sequence[Item], earlier: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Weights of `estimates_of`: AdamW, cosine, Huber's loss, from random numbers of torch or from ``earlier`` ones.

    Statistics that ``earlier`` weights do not see begin without influence.
    """
    found = torch.stack([item.found for item in items])
    wanted = truths(items)
    layers = [nn.Linear(NUM_OF_SHOT, HIDDEN), nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, NUM_ESTIMATES)]
    named = nn.ModuleDict({f"layer{number}": layer for number, layer in enumerate(layers, 1)})
    weights = {"mean": found.mean(0), "spread": found.std(0) + 1e-3, **dict(named.named_parameters())}
    epochs, rate = EPOCHS, RATE
    if earlier is not None:
        epochs, rate = EPOCHS_GOING_ON, RATE_GOING_ON
        _begin_with(weights, earlier)
    optimiser = torch.optim.AdamW(named.parameters(), rate, weight_decay=WEIGHT_DECAY)
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        for chosen in torch.randperm(len(items)).split(BATCH):
            seen = found[chosen] + JITTER * weights["spread"] * torch.randn(len(chosen), NUM_OF_SHOT)
            seen[torch.rand(len(chosen)) < ALONE_SHARE, NUM_STATISTICS:] = math.nan
            loss = smooth_l1_loss(estimates_of(seen, weights), wanted[chosen], beta=KNEE)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return {name: value.detach() for name, value in weights.items()}


@torch.no_grad()
def _begin_with(weights: Mapping[str, Tensor], earlier: Mapping[str, Tensor]) -> None:
    """Copy ``earlier`` into ``weights``, where it may see fewer statistics; those come first."""
    weights["layer1.weight"].zero_()
    for name, value in weights.items():
        value[tuple(slice(size) for size in earlier[name].shape)] = earlier[name]


def mean_errors(items: Sequence[Item], weights: Mapping[str, Tensor]) -> list[float]:
    """Mean absolute errors of the three estimates."""
    errors: list[float] = (estimated(items, weights) - truths(items)).abs().mean(0).tolist()
    return errors
