"""The perceptrons that tell blur, noise and compression from statistics; see `vsr.networks.source`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from sources import History, Item
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from vsr.networks.source import NUM_OF_SHOT, NUM_STATISTICS, estimates_of

__all__ = ["NUM_ESTIMATES", "estimated", "fit_estimator", "mean_errors", "true_sources"]

HIDDEN, NUM_ESTIMATES = 48, 3
EPOCHS, BATCH, RATE, WEIGHT_DECAY, KNEE = 50, 64, 2e-3, 0.02, 0.2
MEMBERS = 3  # perceptrons whose mean is taken: each errs in its own way
JITTER = 0.1  # noise on statistics, in their standard deviations
ALONE_SHARE = 0.25  # of items that count as single images, so that those are estimated, too
BLUR_OF = {"area": 0.0, "bicubic": -0.15}  # bicubic is sharper than averaging


def _true_source(history: History) -> list[float]:
    blur = BLUR_OF.get(history.shrinking, history.blur_px)
    return [blur, math.log(1 + history.noise_codes), math.log(0.3 + history.error_codes)]


def true_sources(items: Sequence[Item]) -> Tensor:
    """What `estimates_of` should tell of each item, ``(N, 3)``: blur, log(1 + noise), log(0.3 + compression)."""
    return torch.tensor([_true_source(item.history) for item in items])


def estimated(items: Sequence[Item], weights: Mapping[str, Tensor]) -> Tensor:
    """What it does tell, ``(N, 3)``."""
    return estimates_of(torch.stack([item.found for item in items]), weights)


def fit_estimator(items: Sequence[Item]) -> dict[str, Tensor]:
    """Weights of `estimates_of`: the mean of several perceptrons, which differ in the random numbers of torch."""
    found, requested = torch.stack([item.found for item in items]), true_sources(items)
    norm = {"mean": found.mean(0), "spread": found.std(0) + 1e-3}
    return norm | _side_by_side([_fitted(found, requested, norm) for _ in range(MEMBERS)])


def _fitted(found: Tensor, requested: Tensor, norm: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The layers of one perceptron: AdamW, cosine, Huber's loss."""
    layers = [nn.Linear(NUM_OF_SHOT, HIDDEN), nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, NUM_ESTIMATES)]
    named = nn.ModuleDict({f"layer{number}": layer for number, layer in enumerate(layers, 1)})
    weights = {**norm, **dict(named.named_parameters())}
    optimiser = torch.optim.AdamW(named.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    for epoch in range(EPOCHS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * epoch / EPOCHS))
        for chosen in torch.randperm(len(found)).split(BATCH):
            seen = found[chosen] + JITTER * norm["spread"] * torch.randn(len(chosen), NUM_OF_SHOT)
            seen[torch.rand(len(chosen)) < ALONE_SHARE, NUM_STATISTICS:] = math.nan
            loss = smooth_l1_loss(estimates_of(seen, weights), requested[chosen], beta=KNEE)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return {name: value.detach() for name, value in named.named_parameters()}


def _side_by_side(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The layers of one perceptron that gives the mean of what several give."""

    def joined(layer: int, kind: str) -> list[Tensor]:
        return [member[f"layer{layer}.{kind}"] for member in members]

    return {
        "layer1.weight": torch.cat(joined(1, "weight")),
        "layer1.bias": torch.cat(joined(1, "bias")),
        "layer2.weight": torch.block_diag(*joined(2, "weight")),
        "layer2.bias": torch.cat(joined(2, "bias")),
        "layer3.weight": torch.cat(joined(3, "weight"), 1) / len(members),
        "layer3.bias": torch.stack(joined(3, "bias")).mean(0),
    }


def mean_errors(items: Sequence[Item], weights: Mapping[str, Tensor]) -> list[float]:
    """Mean absolute errors of the three estimates."""
    errors: list[float] = (estimated(items, weights) - true_sources(items)).abs().mean(0).tolist()
    return errors
