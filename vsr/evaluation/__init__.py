"""Methods measured against known ground truth, as the papers do it: methods × scales × sets of images or clips."""

from __future__ import annotations

from vsr.evaluation.records import Evaluation, ItemScore, OnStep, Scores, SetScore, Step
from vsr.evaluation.run import evaluate_methods
from vsr.evaluation.tables import TableFormat, render

__all__ = [
    "Evaluation",
    "ItemScore",
    "OnStep",
    "Scores",
    "SetScore",
    "Step",
    "TableFormat",
    "evaluate_methods",
    "render",
]
