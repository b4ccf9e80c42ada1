"""Fitting a degradation to images without pairs: crops of either kind, generators and discriminators step by step."""

from __future__ import annotations

import copy
import math
from collections.abc import Generator, Sequence

import torch
from torch import Tensor
from torch.optim import Adam

from vsr.errors import ModelError
from vsr.training.degradations.base import choose
from vsr.training.unpaired.generators import Shrinker
from vsr.training.unpaired.noise import calibrate_noise
from vsr.training.unpaired.objectives import OBJECTIVES, Kind

__all__ = ["PATCH_PX", "fit_degradation"]

PATCH_PX = 40
"""Side of the small patches that discriminators see."""

_BATCH = 8
_RATE, _RATE_OF_DISCRIMINATORS = 5e-4, 5e-4
_BETAS = (0.5, 0.99)
_DECAY = 0.99  # of the mean of weights, which is kept
_EVERY = 10  # steps between reports
_CALIBRATED = 12  # batches in which the strength of noise is measured


def _crop(clip: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """``(3, side, side)`` in 0…1 of a random frame ``(T, H, W, 3)`` uint8, flipped and turned at random."""
    frame = clip[choose(len(clip), generator)]
    y, x = (choose(length - side + 1, generator) for length in frame.shape[:2])
    crop = frame[y : y + side, x : x + side].permute(2, 0, 1).float() / 255
    crop = crop.flip(-1) if choose(2, generator) else crop
    return torch.rot90(crop, choose(4, generator), (-2, -1))


def _crops(clips: Sequence[Tensor], side: int, generator: torch.Generator) -> Tensor:
    return torch.stack([_crop(clips[choose(len(clips), generator)], side, generator) for _ in range(_BATCH)])


def _rate(rate: float, step: int, steps: int) -> float:
    """Constant for half of the steps, then down to 0 along a cosine."""
    return rate * 0.5 * (1 + math.cos(math.pi * max(0.0, 2 * step / steps - 1)))


def fit_degradation(
    kind: Kind, clean: Sequence[Tensor], degraded: Sequence[Tensor], scale: int, *, steps: int, seed: int
) -> Generator[tuple[int, float], None, Shrinker]:
    """The generator that makes ``clean`` images, shrunk by ``scale``, look like ``degraded`` ones, on the CPU.

    Both are clips ``(T, H, W, 3)`` uint8 RGB with sides of at least ``40·scale`` and 40 pixels. Tells (step, loss) as
    it goes. The same images and seed give the same weights. Raises `ModelError` where the loss is NaN.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objective = OBJECTIVES[kind](scale)
    mean = copy.deepcopy(objective.shrinker).requires_grad_(False)
    optimisers = [
        (Adam(objective.generators.parameters(), betas=_BETAS), _RATE),
        (Adam(objective.discriminators.parameters(), betas=_BETAS), _RATE_OF_DISCRIMINATORS),
    ]
    sides = ((clean, scale * PATCH_PX), (degraded, PATCH_PX))
    for step in range(steps):
        z, y = (_crops(clips, side, generator) for clips, side in sides)
        of_generators, of_discriminators = objective.losses(z, y, generator)
        if not math.isfinite(float(of_generators.detach() + of_discriminators.detach())):
            raise ModelError(f"the degradation ({kind}) cannot be learnt: step {step + 1} gave {float(of_generators)}")
        modules = (objective.generators, objective.discriminators)
        # each loss moves its own modules only
        found = [
            torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
            for loss, module in zip((of_generators, of_discriminators), modules, strict=True)
        ]
        for (optimiser, rate), module, gradients in zip(optimisers, modules, found, strict=True):
            for parameter, gradient in zip(module.parameters(), gradients, strict=True):
                parameter.grad = gradient
            optimiser.param_groups[0]["lr"] = _rate(rate, step, steps)
            optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(mean.parameters()), list(objective.shrinker.parameters()), 1 - _DECAY)
        if (step + 1) % _EVERY == 0 or step + 1 == steps:
            yield step + 1, float(of_generators.detach())
    mean.eval()
    z, y = (torch.cat([_crops(clips, side, generator) for _ in range(_CALIBRATED)]) for clips, side in sides)
    calibrate_noise(mean, z, y, seed)
    return mean
