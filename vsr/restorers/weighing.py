"""How far a frame's own samples lead those of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANCHORED", "EVEN", "Weighing"]


@dataclass(frozen=True)
class Weighing:
    """What reconstruction believes of a shot's frames before it has looked at their samples."""

    own_trust: float
    """Trust in the frame's own samples; a neighbour's have 1 at most."""
    refines_motion: bool
    """Whether neighbours' samples are moved to where they agree with the picture so far."""
    carried_weight: float
    """Weight of what earlier frames showed, times the variance of noise: 2000 is 0.05 of a sample at sigma 5e-3."""
    dense_reluctance: float
    """Times the usual gain that dense flow must bring over the camera's motion; see `global_then_dense`."""
    defect: float
    """Times Huber's bound beyond which a sample counts as a defect; see `vsr.solvers.huber_btv`."""


ANCHORED = Weighing(own_trust=10.0, refines_motion=True, carried_weight=2000.0, dense_reluctance=1.0, defect=8.0)
"""The frame's own samples are where they are, a neighbour's only about there: right wherever samples are what the model
says. Trust leaves out wrong motion already, what is far off is mostly aliasing."""

EVEN = Weighing(own_trust=2.0, refines_motion=False, carried_weight=0.0, dense_reluctance=2.5, defect=1e9)
"""All frames count nearly alike: for frames so aliased or sharpened that each one alone shows its own grid. Whatever
keeps to the frame, or moves others to agree with it, keeps the grid; dense flow follows the aliasing."""
