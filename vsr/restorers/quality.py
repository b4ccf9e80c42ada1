"""Quality levels of multi-frame reconstruction: how many frames it looks at, and how long it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["LEVELS", "Level", "Motion", "Quality"]

Quality = Literal["draft", "standard", "best"]
Motion = Literal["coarse", "fine", "global-then-dense"]
"""Dense flow down to half resolution, to full resolution, or that beyond what the camera's own motion explains."""


@dataclass(frozen=True)
class Level:
    """One quality level."""

    frames_per_area: float
    """Neighbours on each side of a frame, for each output pixel per input pixel."""
    most_radius: int
    """Neighbours on each side at most."""
    cold_rounds: int
    """Rounds of trust and solving from interpolation."""
    warm_rounds: int
    """Rounds from the previous picture carried on."""
    refines_motion: bool
    """Whether motion is refined against the reconstruction."""
    cg_iterations: int
    """Solver steps a round."""
    motion: Motion
    """How motion is found."""

    def radius_frames(self, scale: float) -> int:
        """Neighbours on each side at a magnification: in proportion to what each sample has to become."""
        return max(2, min(self.most_radius, round(self.frames_per_area * scale * scale)))


LEVELS: Mapping[Quality, Level] = MappingProxyType(
    {
        "draft": Level(0.75, 2, 2, 1, False, 6, "coarse"),
        "standard": Level(0.75, 7, 5, 2, True, 8, "global-then-dense"),
        "best": Level(1.0, 8, 8, 3, True, 8, "global-then-dense"),
    }
)
"""What each level does."""
