"""Training: networks fitted to images and videos that are degraded in known ways."""

from __future__ import annotations

from vsr.training.curriculum import train_in_stages
from vsr.training.records import Figures, OnProgress, TrainingOutcome, TrainingProgress, heard
from vsr.training.run import Request
from vsr.training.train import list_recipes, make_request

__all__ = [
    "Figures",
    "OnProgress",
    "Request",
    "TrainingOutcome",
    "TrainingProgress",
    "heard",
    "list_recipes",
    "make_request",
    "train_in_stages",
]
