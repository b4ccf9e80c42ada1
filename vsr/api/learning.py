"""Training networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vsr.api.arguments import PathLike
from vsr.training import OnProgress as OnTraining
from vsr.training import TrainingOutcome, heard, make_request, train_share

__all__ = ["train"]


def train(
    config: PathLike | Mapping[str, Any],
    out: PathLike,
    *,
    data: PathLike | Sequence[PathLike] | None = None,
    start_from: str | None = None,
    steps: int | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int = 1,
    ray: str | None = None,
    on_progress: OnTraining | None = None,
) -> TrainingOutcome:
    """Train a network, or fit one to footage of one's own; see docs/training.md.

    Args:
        config: a YAML file, the name of a recipe that comes with vsr (``lite-x2``), or its keys and values.
        out: folder of the run. Given again with the same configuration, an ended run goes on to the same result.
        data: folders of pictures or of videos to learn from, instead of those of the configuration.
        start_from: weights to begin with, by name or file.
        steps: steps in all, instead of those of the configuration.
        settings: further keys of the configuration.
        workers: processes that share each step, through Ray; their gradients are averaged.
        ray: address of a running Ray cluster.
        on_progress: called from this thread every few steps.

    Raises `UsageError` for what cannot be, `InputError` for data that is missing or unfit, `ModelError` for weights
    that do not fit and for a loss that is NaN, `MachineError` for a full disk. For example::

        vsr.train("lite-x2", "runs/mine", data="my-videos", start_from="lite", steps=2000)
    """
    request = make_request(
        config if isinstance(config, Mapping) else str(config),
        Path(out).expanduser(),
        data=None if data is None else [Path(one) for one in ([data] if isinstance(data, (str, Path)) else data)],
        start_from=start_from,
        steps=steps,
        workers=workers,
        settings=settings or {},
    )
    part = partial(train_share, request)
    if workers == 1 and ray is None:
        events = part(0)
    else:
        from vsr.distributed.data_parallel import run_together

        events = run_together(part, workers, ray)
    return heard(events, on_progress)
