"""Sets of weights and the gate that mixes them, trained through `vsr.networks.mixture.Mixture` itself.

The gate comes first: it learns to tell kinds of sources, one for each set, so that sets specialise from the start.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from estimator import NUM_ESTIMATES, estimated, true_sources
from sources import Item
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from vsr.networks.mixture import Mixture
from vsr.training.muon import Muon

__all__ = ["KINDS", "Limits", "Schedule", "blends", "kinds_of", "train_mixture"]

KINDS = ("clean", "light compression", "heavy compression", "noisy", "clean, blurred")
"""Of sources; each has its set, in this order."""
BLENDS = (0.2, 0.6, 0.6, 0.4)  # how far from clean to noisy weights the sets after the first begin
BLEND_NOISE = 0.02  # added to them, in standard deviations of the weights
GATE_HIDDEN, GATE_STEPS, GATE_BATCH, GATE_RATE, GATE_SMOOTHING = 32, 500, 128, 5e-3, 0.05
GATE_JITTER = 0.5  # of JITTER
JITTER = (0.08, 0.15, 0.3)  # noise on true sources, as estimates have it
ESTIMATED_JITTER = (0.03, 0.05, 0.08)  # noise on estimates, as other frames of a shot have it
ESTIMATED_SHARE = 0.8  # of items that are learnt with the estimated source; others with the true one
ITEMS_A_STEP, WARM_UP, LAST_RATE = 6, 200, 0.002
LEAST_SQUARE = 2e-6  # added to mean squared errors ahead of their logarithm
EDGE_PX = 4  # of a patch, in small pixels, that the loss leaves out
LARGEST_GRADIENT = 1.0
LONGEST_MEMORY = 0.998  # of averaged weights
NUM_FOR_USUAL = 1000
REPORT_EVERY = 500

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Limits:
    """When to stop: after steps, which gives the same weights again, or after minutes."""

    steps: int | None
    minutes: float

    def progress(self, step: int, seconds: float) -> float:
        """From 0 to 1."""
        return step / self.steps if self.steps is not None else min(1.0, seconds / (60 * self.minutes))


@dataclass(frozen=True)
class Schedule:
    """How it is trained."""

    scale: int
    patch_px: int
    """Side of patches of the small image."""
    rate: float
    limits: Limits


def kinds_of(estimates: Tensor) -> Tensor:
    """The kind, a place in `KINDS`, of each source ``(N, 3)`` as `estimates_of` tells it."""
    blur, noise, compression = estimates.unbind(-1)
    error = compression.exp() - 0.3
    found = torch.where(error < 2.5, 1, 2)
    found = torch.where(noise > 0.7, 3, found)
    is_clean = (error < 0.6) & (noise <= 0.4)
    return torch.where(is_clean, torch.where(blur > 0.22, 4, 0), found)


def blends(clean: Weights, noisy: Weights) -> list[Weights]:
    """What the sets begin with: ``clean`` itself, then blends with ``noisy`` and a little noise."""
    mixed = [{name: torch.lerp(value, noisy[name], share) for name, value in clean.items()} for share in BLENDS]
    return [clean, *({name: _shaken(value) for name, value in one.items()} for one in mixed)]


def _shaken(value: Tensor) -> Tensor:
    return value + BLEND_NOISE * value.std() * torch.randn_like(value)


def _fit_gate(mixture: Mixture, true: Tensor) -> None:
    """Fit the gate so that true sources ``(N, 3)`` get nearly the shares of their kinds."""
    optimiser, kinds = torch.optim.Adam(mixture.gate.values(), GATE_RATE), kinds_of(true)
    for _ in range(GATE_STEPS):
        chosen = torch.randint(len(true), (GATE_BATCH,))
        given = true[chosen] + GATE_JITTER * _jitter(GATE_BATCH, JITTER)
        loss = cross_entropy(mixture.shares(given).log(), kinds[chosen], label_smoothing=GATE_SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _jitter(count: int, deviations: Sequence[float]) -> Tensor:
    """``(count, 3)``."""
    return torch.tensor(deviations) * torch.randn(count, NUM_ESTIMATES)


class _Trained:
    """The numbers that change. Sets are kept one by one, as Muon wants matrices."""

    def __init__(self, first: Sequence[Weights], source: Weights, gate: Mapping[str, Tensor] | None) -> None:
        layers = {"layer1": nn.Linear(NUM_ESTIMATES, GATE_HIDDEN), "layer2": nn.Linear(GATE_HIDDEN, len(first))}
        self.sets = [{name: nn.Parameter(value.clone()) for name, value in weights.items()} for weights in first]
        self.gate: dict[str, nn.Parameter] = dict(nn.ModuleDict(layers).named_parameters())
        if gate is not None:
            self.gate = {name: nn.Parameter(value.clone()) for name, value in gate.items()}
        self.source = source

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [*(value for weights in self.sets for value in weights.values()), *self.gate.values()]

    def mixture(self) -> Mixture:
        """As it is run; gradients flow through it. Its usual shares are even."""
        experts = {name: torch.stack([weights[name] for weights in self.sets]) for name in self.sets[0]}
        count = len(self.sets)
        return Mixture(experts, self.source, self.gate, torch.full((count,), 1 / count))

    def optimisers(self, rate: float) -> list[torch.optim.Optimizer]:
        """Muon for matrices of the body, Adam for the rest."""
        body: list[Tensor] = []
        others: list[Tensor] = [*self.gate.values()]
        for weights in self.sets:
            for name, value in weights.items():
                (body if name.startswith("body.") and name.endswith(".weight") else others).append(value)
        return [Muon(body, rate), torch.optim.Adam(others, rate, fused=True)]


def train_mixture(
    module: nn.Module,
    first: Sequence[Weights],
    source: Weights,
    items: Sequence[Item],
    schedule: Schedule,
    rng: np.random.Generator,
    tell: Callable[[str], None],
    gate: Mapping[str, Tensor] | None = None,
) -> tuple[Mixture, int]:
    """The mixture with averaged weights, and the number of steps. ``gate``: to go on with; None: one is fitted.

    A step: mean of log(squared error) over patches of 6 items, each by the weights that suit its own source.
    """
    trained = _Trained(first, source, gate)
    usable = [item for item in items if min(item.small.shape) >= schedule.patch_px]
    true, estimates = true_sources(usable), estimated(usable, source)
    if gate is None:
        _fit_gate(trained.mixture(), true)
    averaged = [value.detach().clone() for value in trained.parameters]
    optimisers = trained.optimisers(schedule.rate)
    started, step, losses = time.monotonic(), 0, []
    while (progress := schedule.limits.progress(step, time.monotonic() - started)) < 1:
        _set_rates(optimisers, schedule.rate * _share_of_rate(step, progress))
        mixture = trained.mixture()
        losses_now = []
        for number in rng.integers(len(usable), size=ITEMS_A_STEP):
            is_estimated = rng.random() < ESTIMATED_SHARE
            seen, deviations = (estimates, ESTIMATED_JITTER) if is_estimated else (true, JITTER)
            given = seen[number] + _jitter(1, deviations)[0]
            weights = mixture.weights(mixture.shares(given))
            losses_now.append(_loss(module, weights, usable[number], schedule, rng))
        loss = torch.stack(losses_now).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters, LARGEST_GRADIENT)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        memory = min(LONGEST_MEMORY, (1 + step) / (10 + step))
        for mean, value in zip(averaged, trained.parameters, strict=True):
            mean.lerp_(value.detach(), 1 - memory)
        losses.append(float(loss.detach()))
        step += 1
        if step % REPORT_EVERY == 0:
            decibels = -10 / math.log(10) * float(np.mean(losses[-REPORT_EVERY:]))
            tell(f"step {step:,}: {decibels:.3f} dB on what it learns from, {time.monotonic() - started:,.0f} s")
    return _finished(trained, averaged, items), step


def _share_of_rate(step: int, progress: float) -> float:
    """Warm-up, then half a cosine down to 0.2 %."""
    falling = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
    return min(1.0, (step + 1) / WARM_UP) * falling


def _set_rates(optimisers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate


def _loss(module: nn.Module, weights: Weights, item: Item, schedule: Schedule, rng: np.random.Generator) -> Tensor:
    """Log of the mean squared error of one patch, turned and mirrored at random."""
    scale, side = schedule.scale, schedule.patch_px
    small, hr = (torch.from_numpy(plane).float() / 255 for plane in (item.small, item.hr))
    turn = int(rng.integers(8))
    if turn >= 4:
        small, hr = small.flip(-1), hr.flip(-1)
    small, hr = torch.rot90(small, turn % 4), torch.rot90(hr, turn % 4)
    top, left = (int(rng.integers(0, length - side + 1)) for length in small.shape)
    patch = small[top : top + side, left : left + side][None, None].contiguous()
    made = functional_call(module, weights, (patch,))[0, 0]
    true = hr[scale * top : scale * (top + side), scale * left : scale * (left + side)]
    inner = slice(EDGE_PX * scale, -EDGE_PX * scale)
    return torch.log((made - true)[inner, inner].square().mean() + LEAST_SQUARE)


def _finished(trained: _Trained, averaged: Sequence[Tensor], items: Sequence[Item]) -> Mixture:
    """The averaged weights as a file will hold them: sets in half precision, the usual shares those of many items."""
    with torch.no_grad():
        for value, mean in zip(trained.parameters, averaged, strict=True):
            value.copy_(mean)
        mixture = trained.mixture()
        usual = mixture.shares(estimated(items[:NUM_FOR_USUAL], mixture.source)).mean(0)
        rounded = {name: value.half().float() for name, value in mixture.experts.items()}
    gate: Mapping[str, Tensor] = {name: value.detach() for name, value in mixture.gate.items()}
    return Mixture(rounded, mixture.source, gate, usual)
