"""A degradation that is learnt from images like those to be restored, which no clean ones correspond to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.training.degradations.base import Step
from vsr.training.unpaired.generators import Shrinker
from vsr.training.unpaired.objectives import Kind

__all__ = ["Fitted", "Learnt"]

_MOST_STEPS = 100_000


@dataclass(frozen=True)
class Learnt(Step):
    """A generator trained against a discriminator, on the images of ``data`` and of ``degraded``. It shrinks, too."""

    kind: Kind = "dsgan"
    """How: ``bulat``, ``dsgan`` (frequencies apart) or ``cincgan`` (two cycles)."""
    training_steps: int = 800
    """Of training it, before the network's first step."""
    scale: int = 2
    """Of the run; not set by hand."""

    def __post_init__(self) -> None:
        if not 1 <= self.training_steps <= _MOST_STEPS:
            raise UsageError(f"learnt.training_steps = {self.training_steps}: allowed are 1 to {_MOST_STEPS}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Nothing before it is learnt; see `Fitted`."""
        raise UsageError("learnt: a degradation is learnt when a run begins, from the images of --data and of degraded")

    def shrinks(self) -> bool:
        """Yes."""
        return True


@dataclass(frozen=True)
class Fitted(Step):
    """A `Learnt` degradation, learnt."""

    is_linear: ClassVar[bool] = False

    shrinker: Shrinker

    @torch.no_grad()
    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, 3, H, W)`` in 0…255 → ``(T, 3, H / scale, W / scale)``, whole numbers; other noise in every frame."""
        made: Tensor = 255 * self.shrinker(images / 255, generator)
        return made.round_().clamp_(0, 255)

    def shrinks(self) -> bool:
        """Yes."""
        return True
