"""Losses: what training makes small, one idea a file, put together with weights."""

from __future__ import annotations

from vsr.training.losses.image import Loss, LossNeeds
from vsr.training.losses.weighted import ADVERSARIAL, LOSSES, WeightedLosses, parse_losses

__all__ = ["ADVERSARIAL", "LOSSES", "Loss", "LossNeeds", "WeightedLosses", "parse_losses"]
