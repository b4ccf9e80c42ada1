"""What a degradation is: one thing that happens to images between the world and the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from vsr.errors import UsageError

__all__ = ["Degradation", "Range", "Step", "check_probability", "check_range", "choose", "happens", "uniform"]

Range = tuple[float, float]
"""Least and most; a value is drawn evenly between them."""


class Degradation(Protocol):
    """A pure function of images and a generator: equal images and an equal generator give equal results."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` float32 in 0…255, consecutive frames of a clip → the same, or smaller where it shrinks."""
        ...


@dataclass(frozen=True)
class Step:
    """Base of the options of all degradations."""

    is_linear: ClassVar[bool] = False
    """Whether it may be done to luma alone, since luma of the result is the result of luma."""
    is_random: ClassVar[bool] = True
    """Whether the generator decides anything."""
    num_frames: ClassVar[int] = 1
    """Consecutive frames that it needs to be itself."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """See `Degradation`."""
        raise NotImplementedError

    def shrinks(self) -> bool:
        """Whether it makes images smaller."""
        return False

    def steps(self) -> tuple[Step, ...]:
        """Itself, or what it consists of."""
        return (self,)


def uniform(limits: Range, generator: torch.Generator) -> float:
    """A value between two limits."""
    low, high = limits
    return low + (high - low) * float(torch.rand((), generator=generator))


def choose(count: int, generator: torch.Generator) -> int:
    """A whole number from 0 to ``count`` - 1."""
    return int(torch.randint(count, (), generator=generator))


def happens(probability: float, generator: torch.Generator) -> bool:
    """Whether something of this probability happens this time; always draws, so that what follows stays the same."""
    return float(torch.rand((), generator=generator)) < probability


def check_range(name: str, limits: Range, least: float, most: float) -> None:
    """Raise `UsageError` unless ``least`` ≤ first ≤ second ≤ ``most``."""
    low, high = limits
    if not least <= low <= high <= most:
        raise UsageError(f"{name} = {list(limits)}: allowed are two rising numbers from {least:g} to {most:g}")


def check_probability(name: str, probability: float) -> None:
    """Raise `UsageError` unless it is one."""
    if not 0 <= probability <= 1:
        raise UsageError(f"{name} = {probability}: a probability lies between 0 and 1")
