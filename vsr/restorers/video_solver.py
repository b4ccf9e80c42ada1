"""The default solver as video uses it: one set of weights a round, which `reconstruct` renews."""

from __future__ import annotations

from functools import partial

from vsr.restorers.reconstruction import Solve
from vsr.restorers.weighing import Weighing
from vsr.solvers.huber_btv import HuberBtvOptions, solve_huber_btv

__all__ = ["video_solver"]

_PRIOR_RADIUS, _PRIOR_ALPHA = 1, 0.6  # with many frames a wider prior only costs time


def video_solver(weighing: Weighing, *, regularization: float = 1.0, cg_iterations: int = 8) -> Solve:
    """`solve_huber_btv` for frames believed as ``weighing`` says, with ``cg_iterations`` steps a round."""
    options = HuberBtvOptions(
        regularization=regularization,
        defect=weighing.defect,
        radius=_PRIOR_RADIUS,
        alpha=_PRIOR_ALPHA,
        outer_iterations=1,
        cg_iterations=cg_iterations,
    )
    return partial(solve_huber_btv, options=options)
