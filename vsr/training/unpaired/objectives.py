"""What generators of degradations are trained for, one class for each paper; all without a pair.

Symbols: z a clean image, x the same shrunk by bicubic interpolation, y a degraded image of something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss, mse_loss, pad

from vsr.observation import resample
from vsr.training.discriminator import Discriminator
from vsr.training.losses.learned import Adversarial
from vsr.training.unpaired.generators import Cleaner, Enlarger, Shrinker, Soiler

__all__ = ["OBJECTIVES", "Bulat", "Cincgan", "Dsgan", "Kind", "Objective"]

Kind = Literal["bulat", "dsgan", "cincgan"]
"""Rows of `OBJECTIVES`."""

_MEAN_PX = 5  # side of the low-pass that separates frequencies
_GAIN = 16.0  # discriminators see differences of a few codes of 255


class Objective(Protocol):
    """Generators with their losses; ``shrinker`` is the one that is kept."""

    shrinker: Shrinker
    generators: nn.ModuleList
    discriminators: nn.ModuleList

    def losses(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Those of the generators and of the discriminators.

        ``clean`` ``(B, 3, scale·h, scale·w)`` and ``degraded`` ``(B, 3, h, w)`` in 0…1, which show different things.
        """
        ...


class _Judge(nn.Module):
    """A discriminator of few pixels, which sees small differences."""

    def __init__(self) -> None:
        super().__init__()
        self._layers = Discriminator(3, depth=2)

    def forward(self, images: Tensor) -> Tensor:
        judged: Tensor = self._layers(images * _GAIN)
        return judged


def _shrunk(clean: Tensor, scale: int) -> Tensor:
    height, width = clean.shape[-2:]
    return resample(clean, (height // scale, width // scale), kernel="bicubic")


def _low(images: Tensor) -> Tensor:
    """Means of 5×5 pixels, borders repeated."""
    return avg_pool2d(pad(images, (_MEAN_PX // 2,) * 4, mode="replicate"), _MEAN_PX, 1)


def _variation(images: Tensor) -> Tensor:
    return images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()


class Bulat:
    """High to low (Bulat, Yang, Tzimiropoulos, "To learn image super-resolution, use a GAN to learn how to do image
    degradation first", ECCV 2018).

    The squared distance to x, and a discriminator of whole images. By cross-entropy; the paper's is by a hinge.
    """

    _WEIGHT = 0.02

    def __init__(self, scale: int) -> None:
        self.shrinker = Shrinker(scale)
        self.generators = nn.ModuleList([self.shrinker])
        judge = _Judge()
        self.discriminators = nn.ModuleList([judge])
        self._adversarial = Adversarial(judge, "cross-entropy")

    def losses(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        made, small = self.shrinker(clean, generator), _shrunk(clean, self.shrinker.scale)
        total = mse_loss(made, small) + self._WEIGHT * self._adversarial(made, degraded, small)
        return total, self._adversarial.of_discriminator(made, degraded)


class Dsgan:
    """Frequencies apart (Fritsche, Gu, Timofte, "Frequency separation for real-world super-resolution", ICCVW 2019).

    The low ones are those of x (L1), the high ones are judged. Without the paper's loss of VGG's features.
    """

    _WEIGHT = 0.01

    def __init__(self, scale: int) -> None:
        self.shrinker = Shrinker(scale)
        self.generators = nn.ModuleList([self.shrinker])
        judge = _Judge()
        self.discriminators = nn.ModuleList([judge])
        self._adversarial = Adversarial(judge, "cross-entropy")

    def losses(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        made, small = self.shrinker(clean, generator), _shrunk(clean, self.shrinker.scale)
        detail, true_detail = made - _low(made), degraded - _low(degraded)
        total = l1_loss(_low(made), _low(small)) + self._WEIGHT * self._adversarial(detail, true_detail, small)
        return total, self._adversarial.of_discriminator(detail, true_detail)


class Cincgan:
    """Four generators in two cycles (Yuan et al., "Unsupervised image super-resolution using cycle-in-cycle generative
    adversarial networks", CVPRW 2018).

    Inner cycle: y is cleaned, judged beside x, and soiled back to y. Outer cycle: the cleaned y is enlarged, judged
    beside z, and shrunk back to y. Cleaning leaves x as it is, and enlarging x gives z. The paper keeps cleaning and
    enlarging; here the last generator, shrinking, is kept as a degradation. So what it makes of z is judged beside y,
    with noise that it has no use for in the cycle.
    """

    _JUDGED, _CYCLE, _IDENTITY, _VARIATION = 0.01, 1.0, 1.0, 0.02

    def __init__(self, scale: int) -> None:
        self.shrinker = Shrinker(scale)
        self._cleaner, self._soiler, self._enlarger = Cleaner(), Soiler(), Enlarger(scale)
        self.generators = nn.ModuleList([self.shrinker, self._cleaner, self._soiler, self._enlarger])
        judges = [_Judge(), _Judge(), _Judge()]
        self.discriminators = nn.ModuleList(judges)
        self._of_clean, self._of_large, self._of_soiled = (Adversarial(judge, "least-squares") for judge in judges)

    def losses(self, clean: Tensor, degraded: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        small = _shrunk(clean, self.shrinker.scale)
        cleaned = self._cleaner(degraded)
        enlarged, made = self._enlarger(cleaned), self.shrinker(clean, generator)
        judged = (
            self._of_clean(cleaned, small, small)
            + self._of_large(enlarged, clean, small)
            + self._of_soiled(made, degraded, small)
        )
        cycles = l1_loss(self._soiler(cleaned, None), degraded) + l1_loss(self.shrinker(enlarged, None), degraded)
        identity = l1_loss(self._cleaner(small), small) + l1_loss(self._enlarger(small), clean)
        low = l1_loss(_low(made), _low(small))
        total = (
            self._JUDGED * judged
            + self._CYCLE * cycles
            + self._IDENTITY * (identity + low)
            + self._VARIATION * _variation(cleaned)
        )
        of_discriminators = (
            self._of_clean.of_discriminator(cleaned, small)
            + self._of_large.of_discriminator(enlarged, clean)
            + self._of_soiled.of_discriminator(made, degraded)
        )
        return total, of_discriminators


OBJECTIVES: Mapping[Kind, Callable[[int], Objective]] = MappingProxyType(
    {"bulat": Bulat, "dsgan": Dsgan, "cincgan": Cincgan}
)
"""By the name in a configuration; made for a scale."""
