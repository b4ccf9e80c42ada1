"""Quality levels of multi-frame reconstruction: how many frames it looks at, and how long it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["LEVELS", "Level", "Quality"]

Quality = Literal["draft", "standard", "best"]


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
    prior_radius: int
    """Reach of the bilateral total variation, in output pixels."""
    prior_alpha: float
    """Its decay with distance."""
    fine_motion: bool
    """Motion down to full resolution, or one level above."""

    def radius_frames(self, scale: float) -> int:
        """Neighbours on each side at a magnification: about as many frames in all as each sample has to become."""
        return max(2, min(self.most_radius, round(self.frames_per_area * scale * scale)))


LEVELS: Mapping[Quality, Level] = MappingProxyType(
    {
        "draft": Level(0.2, 2, 2, 1, False, 6, 1, 0.6, False),
        "standard": Level(0.75, 7, 5, 3, True, 8, 1, 0.6, True),
        "best": Level(1.25, 8, 8, 5, True, 12, 1, 0.6, True),
    }
)
"""What each level does."""
