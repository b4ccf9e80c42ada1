"""What a method is to an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from vsr.frames import VideoFrame
from vsr.networks import Colour

__all__ = ["ClipMethod", "Enlarge", "ImageMethod", "Method"]


class Enlarge(Protocol):
    """Enlarges an image."""

    def __call__(self, image: Tensor, ordinal: int = 0, /) -> Tensor:
        """``(C, h, w)`` float64 in 0…255 → ``(C, scale·h, scale·w)``, unrounded, on the CPU; C is 1 for Y, 3 for RGB.

        ``ordinal`` is that of the frame in its clip.
        """
        ...


@dataclass(frozen=True)
class ImageMethod:
    """Enlarges one image at a time."""

    name: str
    """As it was asked for."""
    description: str
    """What it is, in words."""
    digest: str
    """Stands for weights and settings."""
    scale: int
    colour: Colour
    """What it is given: luma or RGB."""
    enlarge: Enlarge
    make_small: Callable[[Tensor], Tensor] | None = None
    """How it makes small what it enlarges, ``(C, scale·h, scale·w)`` → ``(C, h, w)``, both as `Enlarge` has them; None:
    it is given what the protocol makes small."""
    draws: bool = False
    """Whether it makes one of many images: another one for each ordinal."""


@dataclass(frozen=True)
class ClipMethod:
    """Restores the frames of a clip from each other."""

    name: str
    """As it was asked for."""
    description: str
    """What it is, in words."""
    digest: str
    """Stands for settings."""
    scale: int
    restore: Callable[[Iterable[VideoFrame]], Iterator[VideoFrame]]
    """All frames of a shot in order → as many, ``scale`` times as large, float32 code values of the same layout."""


Method = ImageMethod | ClipMethod
