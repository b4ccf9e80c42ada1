"""The learning rate of a step: a rise, then a fall. A function of the step alone, so a continued run has the same."""

from __future__ import annotations

import math

from vsr.training.config import TrainingConfig

__all__ = ["rate_at"]


def rate_at(step: int, config: TrainingConfig) -> float:
    """Learning rate of ``step``, counted from 0."""
    highest = config.learning_rate
    if step < config.warmup_steps:
        return highest * (step + 1) / config.warmup_steps
    since = step - config.warmup_steps
    if config.schedule == "constant":
        return highest
    if config.schedule == "step":
        return highest * config.decay_by ** (since // config.decay_every)
    done = since / max(1, config.steps - config.warmup_steps)
    low = config.final_rate * highest
    return low + (highest - low) * (1 + math.cos(math.pi * done)) / 2
