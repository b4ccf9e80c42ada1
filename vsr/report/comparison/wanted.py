"""What to measure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from vsr.errors import UsageError
from vsr.observation.degradation import DEGRADATIONS

__all__ = ["Wanted"]


@dataclass(frozen=True)
class Wanted:
    """What to measure, and of which frames."""

    every: int = 1
    """Measure one in so many of the frames that all videos have."""
    vmaf: bool = False
    exact: bool = False
    """Of large pictures too, every window and every row counts."""
    offset: Fraction | Literal["start"] | None = None
    """Seconds added to B's times; ``start``: every video counts from its first frame; None: what B's manifest says."""

    degradation: str | None = None
    """How the smaller video is taken to have come about: LR-PSNR by that row of `vsr.observation.DEGRADATIONS`, too."""
    one_shape: bool = True
    """Refuse videos of which one is no enlargement of the other; else they are paired, and not measured as pairs."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"--every counts from 1, got {self.every}")
        if self.degradation is not None and self.degradation not in DEGRADATIONS:
            raise UsageError(f"no degradation {self.degradation!r}; there are {', '.join(DEGRADATIONS)}")
