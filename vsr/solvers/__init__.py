"""Solvers: from recorded samples and an imaging model to the image behind them.

To add one: write its function and its options beside it in a file of this folder, and give it a row in `SOLVERS`; the
contract suite in ``tests/contracts/test_solvers.py`` then covers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vsr.errors import UsageError, nearest
from vsr.solvers.base import Observations, Requirement, SolverSpec
from vsr.solvers.bayesian import BayesianOptions, solve_bayesian
from vsr.solvers.farsiu import FarsiuOptions, solve_farsiu
from vsr.solvers.farsiu_fast import FarsiuFastOptions, solve_farsiu_fast
from vsr.solvers.huber_btv import HuberBtvOptions, solve_huber_btv
from vsr.solvers.interlace import InterlaceOptions, solve_interlace
from vsr.solvers.irwsr import IrwsrOptions, solve_irwsr
from vsr.solvers.l1_btv import L1BtvOptions, solve_l1_btv
from vsr.solvers.l2 import L2Options, solve_l2
from vsr.solvers.tsai_huang import TsaiHuangOptions, solve_tsai_huang
from vsr.tables import table_of

__all__ = [
    "DEFAULT_SOLVER",
    "SOLVERS",
    "Observations",
    "Requirement",
    "SolverSpec",
    "find_solver",
]

DEFAULT_SOLVER = "huber-btv"
"""Name of the solver that suits most videos."""


SOLVERS: Mapping[str, SolverSpec[Any]] = table_of(
    "solvers",
    [
        SolverSpec(
            "huber-btv",
            "robust least squares with bilateral total variation, scaled by the noise found (the default)",
            "any",
            HuberBtvOptions,
            solve_huber_btv,
        ),
        SolverSpec(
            "l1-btv",
            "absolute residual and bilateral total variation, by re-weighted least squares",
            "any",
            L1BtvOptions,
            solve_l1_btv,
        ),
        SolverSpec("l2", "least squares with Tikhonov's prior; not robust", "any", L2Options, solve_l2),
        SolverSpec(
            "irwsr",
            "iteratively re-weighted super-resolution, weights found from the images (Köhler et al. 2016)",
            "any",
            IrwsrOptions,
            solve_irwsr,
        ),
        SolverSpec(
            "farsiu",
            "absolute residual and bilateral total variation, by sign descent (Farsiu et al. 2004)",
            "any",
            FarsiuOptions,
            solve_farsiu,
        ),
        SolverSpec(
            "farsiu-fast",
            "median of shifted frames, then deblurring (Farsiu et al. 2004)",
            "shifts",
            FarsiuFastOptions,
            solve_farsiu_fast,
        ),
        SolverSpec(
            "bayesian",
            "noise of each frame, image, and if asked for blur and motion found in turn (Liu and Sun 2014)",
            "any",
            BayesianOptions,
            solve_bayesian,
        ),
        SolverSpec(
            "tsai-huang",
            "least squares on aliased frequencies (Tsai and Huang 1984); not robust",
            "shifts",
            TsaiHuangOptions,
            solve_tsai_huang,
        ),
        SolverSpec(
            "interlace",
            "frames shifted by whole steps of the fine grid put together",
            "exact-shifts",
            InterlaceOptions,
            solve_interlace,
        ),
    ],
)
"""Every solver by name."""


def find_solver(name: str) -> SolverSpec[Any]:
    """The row called ``name``; raises `UsageError` naming the known ones."""
    if name not in SOLVERS:
        raise UsageError(f"no solver {name!r}; known: {', '.join(SOLVERS)}{nearest(name, SOLVERS)}")
    return SOLVERS[name]
