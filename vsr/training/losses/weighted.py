"""Losses put together with weights: ``1*L1 + 0.001*TV``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from torch import Tensor

from vsr.errors import UsageError, nearest
from vsr.training.losses.image import Loss, LossNeeds, charbonnier, cycle, l1, l2, ssim_loss, total_variation
from vsr.training.losses.learned import Adversarial, Judgement, Relativistic
from vsr.training.losses.vgg import Content, Texture

__all__ = ["ADVERSARIAL", "LOSSES", "WeightedLosses", "parse_losses"]

ADVERSARIAL = frozenset(["GAN", "LSGAN", "RaGAN"])
"""Losses that need a discriminator."""


def _adversarial(by: Judgement, needs: LossNeeds) -> Loss:
    assert needs.discriminator is not None
    return Adversarial(needs.discriminator, by)


def _relativistic(needs: LossNeeds) -> Loss:
    assert needs.discriminator is not None
    return Relativistic(needs.discriminator)


LOSSES: Mapping[str, Callable[[LossNeeds], Loss]] = MappingProxyType(
    {
        "L1": lambda needs: l1,
        "L2": lambda needs: l2,
        "Charbonnier": lambda needs: charbonnier,
        "SSIM": lambda needs: ssim_loss,
        "TV": lambda needs: total_variation,
        "Cycle": lambda needs: cycle,
        "Content": lambda needs: Content(needs.vgg),
        "Texture": lambda needs: Texture(needs.vgg),
        "GAN": partial(_adversarial, "cross-entropy"),
        "LSGAN": partial(_adversarial, "least-squares"),
        "RaGAN": _relativistic,
    }
)
"""How each is made, by name."""

_TERM = re.compile(
    r"(?:(?P<weight>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)\s*\*\s*)?(?P<name>[A-Za-z]\w*)"
)


def parse_losses(text: str) -> dict[str, float]:
    """Weights by name; a name without a weight weighs 1. Raises `UsageError` with what is wrong.

    Terms are joined by ``+``; weights are positive numbers; a name comes once. For example ``1*L1 + 0.001*TV``.
    """
    weights: dict[str, float] = {}
    for part in re.split(r"(?<![eE])\+", text):
        match = _TERM.fullmatch(part.strip())
        if match is None:
            raise UsageError(f"loss {text!r}: {part.strip()!r} is not WEIGHT*NAME; for example 1*L1 + 0.001*TV")
        name, weight = match["name"], float(match["weight"] or 1)
        if name not in LOSSES:
            raise UsageError(f"loss {text!r}: no loss {name!r}{nearest(name, LOSSES)}; known: {', '.join(LOSSES)}")
        if name in weights:
            raise UsageError(f"loss {text!r}: {name} comes twice")
        if not 0 < weight < math.inf:
            raise UsageError(f"loss {text!r}: the weight of {name} must be a positive number")
        weights[name] = weight
    if len(ADVERSARIAL & weights.keys()) > 1:
        raise UsageError(f"loss {text!r}: {', '.join(sorted(ADVERSARIAL & weights.keys()))} exclude each other")
    return weights


@dataclass(frozen=True)
class WeightedLosses:
    """Several losses as one."""

    parts: Mapping[str, tuple[float, Loss]]
    """Weight and loss by name."""

    @classmethod
    def from_text(cls, text: str, needs: LossNeeds) -> WeightedLosses:
        """As `parse_losses`; `ModelError` where a loss lacks its weights."""
        return cls({name: (weight, LOSSES[name](needs)) for name, weight in parse_losses(text).items()})

    def __call__(self, made: Tensor, true: Tensor, small: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum, and each loss by itself, unweighted and detached."""
        total = made.new_zeros(())
        single = {}
        for name, (weight, loss) in self.parts.items():
            value = loss(made, true, small)
            total = total + weight * value
            single[name] = value.detach()
        return total, single

    @property
    def adversarial(self) -> Adversarial | None:
        """The adversarial part."""
        return next((loss for _, loss in self.parts.values() if isinstance(loss, Adversarial)), None)
