"""What a report page shows, before it is HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

__all__ = ["Clip", "Excerpt", "Pair", "Pick", "Reason", "Shown"]

Reason = Literal["spread", "cut", "worst"]


@dataclass(frozen=True)
class Pair:
    """A frame of the output, and the frame of the input that it was made from."""

    output: int
    """Place in the output's decode."""
    input: int | None
    """Place in the input's; None where the input is not there."""
    seconds: Fraction
    """Time in the output."""


@dataclass(frozen=True)
class Pick:
    """A frame that is shown."""

    pair: Pair
    reason: Reason
    """Why: to cover the video, since a shot begins there, or since it agrees least with the input."""


@dataclass(frozen=True)
class Excerpt:
    """A run of frames that is shown as video."""

    pairs: Sequence[Pair]
    is_whole: bool
    """Whether it is the whole video."""


@dataclass(frozen=True)
class Shown:
    """One frame as data URIs."""

    pick: Pick
    before: str | None
    after: str
    thumbnail: str


@dataclass(frozen=True)
class Clip:
    """A video as a data URI."""

    uri: str
    width: int
    height: int
    caption: str
    poster: str
    """Its first image, as a data URI."""
