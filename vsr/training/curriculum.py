"""A curriculum: stages that are trained one after another, each from the weights of the one before.

A stage is the recipe with a few keys changed: an easier degradation, smaller patches, a smaller scale, whose network
grows by what the next scale needs (as CARN, ADRSR and ProSR were trained). Each is a run of its own, in a folder inside
that of the last, so it goes on after an interrupt as every run does.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from vsr.training.collectives import wait_for_all
from vsr.training.config import stage_configs
from vsr.training.folder import STAGE
from vsr.training.records import Event, TrainingOutcome
from vsr.training.run import Request, train_share

__all__ = ["train_in_stages"]


def train_in_stages(request: Request, rank: int = 0) -> Generator[Event]:
    """`train_share` for every stage and then for the recipe itself, whose outcome ends it."""
    *stages, last = stage_configs(request.config)
    weights: Path | None = None
    for number, config in enumerate(stages, 1):
        folder = request.out.absolute() / f"{STAGE}{number}"
        started = config if weights is None else config.model_copy(update={"start_from": str(weights)})
        for event in train_share(Request(started, folder, request.workers), rank):
            if not isinstance(event, TrainingOutcome):
                note = f"stage {number} of {len(stages) + 1}"
                yield replace(event, note=f"{note}: {event.note}" if event.note else note)
        wait_for_all(request.workers)  # the weights are there
        weights = folder / config.weights_name
    if weights is not None:
        last = last.model_copy(update={"start_from": str(weights)})
    yield from train_share(replace(request, config=last), rank)
