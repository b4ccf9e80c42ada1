"""What was made should be taken for true (Goodfellow et al. 2014), judged by cross-entropy or by least squares."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

__all__ = ["Adversarial", "Judgement", "judged"]

Judgement = Literal["cross-entropy", "least-squares"]
"""Least squares after Mao et al., "Least squares generative adversarial networks", ICCV 2017."""


def judged(judgements: Tensor, *, as_true: bool, by: Judgement) -> Tensor:
    """How far judgements (logits) are from "true", or from "made"; a mean."""
    wanted = torch.full_like(judgements, float(as_true))
    if by == "cross-entropy":
        return binary_cross_entropy_with_logits(judgements, wanted)
    return (judgements - wanted).square().mean()


class Adversarial:
    """The loss of the network; `of_discriminator` is that of its opponent."""

    def __init__(self, discriminator: nn.Module, by: Judgement) -> None:
        self._discriminator, self._by = discriminator, by

    def __call__(self, made: Tensor, true: Tensor, small: Tensor) -> Tensor:
        """See `vsr.training.losses.base.Loss`."""
        return judged(self._discriminator(made), as_true=True, by=self._by)

    def of_discriminator(self, made: Tensor, true: Tensor) -> Tensor:
        """Mean of its errors on true and on made patches; differentiable in the discriminator only."""
        on_true = judged(self._discriminator(true), as_true=True, by=self._by)
        return (on_true + judged(self._discriminator(made.detach()), as_true=False, by=self._by)) / 2
