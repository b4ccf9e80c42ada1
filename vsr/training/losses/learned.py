"""Losses that a discriminator judges (Goodfellow et al. 2014), which learns beside the network."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

__all__ = ["Adversarial", "Judgement", "Relativistic", "judged"]

Judgement = Literal["cross-entropy", "least-squares"]
"""Least squares after Mao et al., "Least squares generative adversarial networks", ICCV 2017."""


def judged(judgements: Tensor, *, as_true: bool, by: Judgement) -> Tensor:
    """How far judgements (logits) are from "true", or from "made"; a mean."""
    requested = torch.full_like(judgements, float(as_true))
    if by == "cross-entropy":
        return binary_cross_entropy_with_logits(judgements, requested)
    return (judgements - requested).square().mean()


class Adversarial:
    """The loss of the network; `of_discriminator` is that of the discriminator."""

    def __init__(self, discriminator: nn.Module, by: Judgement) -> None:
        self._discriminator, self._by = discriminator, by

    def __call__(self, made: Tensor, true: Tensor, small: Tensor) -> Tensor:
        """See `vsr.training.losses.image.Loss`."""
        return judged(self._discriminator(made), as_true=True, by=self._by)

    def of_discriminator(self, made: Tensor, true: Tensor) -> Tensor:
        """Mean of its errors on true and on made patches; differentiable in the discriminator only."""
        on_true = judged(self._discriminator(true), as_true=True, by=self._by)
        return (on_true + judged(self._discriminator(made.detach()), as_true=False, by=self._by)) / 2


class Relativistic(Adversarial):
    """Judgements are of how much truer than the mean of the other kind an image is, by cross-entropy.

    The relativistic average discriminator (Jolicoeur-Martineau, ICLR 2019), as in ESRGAN.
    """

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__(discriminator, "cross-entropy")

    def __call__(self, made: Tensor, true: Tensor, small: Tensor) -> Tensor:
        """See `vsr.training.losses.image.Loss`: true images shall look less true than what is made, and the reverse."""
        return self._of_both(self._discriminator(made), self._discriminator(true), made_as_true=True)

    def of_discriminator(self, made: Tensor, true: Tensor) -> Tensor:
        """See `Adversarial`."""
        return self._of_both(self._discriminator(made.detach()), self._discriminator(true), made_as_true=False)

    def _of_both(self, of_made: Tensor, of_true: Tensor, *, made_as_true: bool) -> Tensor:
        on_made = judged(of_made - of_true.mean(), as_true=made_as_true, by=self._by)
        on_true = judged(of_true - of_made.mean(), as_true=not made_as_true, by=self._by)
        return (on_made + on_true) / 2
