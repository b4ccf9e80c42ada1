"""Kernels that can be learnt: what they are made of decides which ones are found."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.kernel_prior import KernelPrior

__all__ = ["CodedKernel", "LayeredKernel", "LearntKernel", "NetworkKernel"]

_LAYERS = (7, 5, 3, 1, 1, 1)  # sides of the convolutions
_WIDTH = 64
_GAIN = 0.1  # of initial weights
_HIDDEN, _CODES, _MOST_ACTIVE = 1000, 200, 6.0


class LearntKernel(nn.Module):
    """A kernel as a function of parameters."""

    def forward(self) -> Tensor:
        """``(n, n)``."""
        raise NotImplementedError

    def constrain(self) -> None:
        """Bring the parameters back to where they may be, after a step."""


class LayeredKernel(LearntKernel):
    """A chain of convolutions without anything between them, so one kernel of 13×13 (Bell-Kligler et al. 2019).

    The chain is applied to an impulse and not to images, which comes to the same and is less work.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = [1, *[_WIDTH] * (len(_LAYERS) - 1), 1]
        shapes = zip(widths, widths[1:], _LAYERS, strict=False)
        self.layers = nn.ParameterList(torch.empty(before, after, side, side) for before, after, side in shapes)
        for layer in self.layers:
            nn.init.xavier_normal_(layer, _GAIN)

    def forward(self) -> Tensor:
        """``(13, 13)``; the sum is learnt, too."""
        made: Tensor = self.layers[0]
        for layer in list(self.layers)[1:]:
            made = functional.conv_transpose2d(made, layer)
        return made[0, 0]


class CodedKernel(LearntKernel):
    """What a kernel prior makes of a code, which stays on its sphere (Liang et al. 2021)."""

    def __init__(self, prior: KernelPrior, generator: torch.Generator) -> None:
        super().__init__()
        self._prior = [prior]  # not one of the parameters
        self.code = nn.Parameter(torch.randn(1, prior.num_codes, generator=generator))
        self.constrain()

    def forward(self) -> Tensor:
        """``(side, side)`` of sum 1."""
        made: Tensor = self._prior[0](self.code)
        return made[0]

    @torch.no_grad()
    def constrain(self) -> None:
        """Length ``side - 1``, which the paper found a little better than the expected ``side``."""
        self.code.mul_((self._prior[0].side - 1) / self.code.norm())


class NetworkKernel(LearntKernel):
    """What two layers make of fixed noise, by softmax (Ren et al. 2020): weights above 0 of sum 1, and no more."""

    def __init__(self, side: int, generator: torch.Generator) -> None:
        super().__init__()
        self._side, self._codes = side, torch.rand(_CODES, generator=generator) * 0.1
        self.hidden, self.last = nn.Linear(_CODES, _HIDDEN), nn.Linear(_HIDDEN, side * side)

    def forward(self) -> Tensor:
        """``(side, side)``."""
        hidden = self.hidden(self._codes).clamp(0, _MOST_ACTIVE)
        return functional.softmax(self.last(hidden), 0).reshape(self._side, self._side)
