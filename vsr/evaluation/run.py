"""Methods × scales × sets: everything opened and checked first, then scored one by one, with earlier results kept."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vsr.errors import UsageError
from vsr.evaluation.base import ClipMethod, ImageMethod, Method
from vsr.evaluation.clips import score_clip
from vsr.evaluation.images import score_image
from vsr.evaluation.methods import open_method
from vsr.evaluation.perceptual import Perceptual, find_perceptual
from vsr.evaluation.protocol import PROTOCOL
from vsr.evaluation.records import Evaluation, ItemScore, OnStep, SetScore, Step
from vsr.evaluation.resume import ResultStore, result_key
from vsr.evaluation.sets import DataSet, Item, find_sets
from vsr.networks import Network
from vsr.pipeline.job import resolve_device
from vsr.pipeline.sidecar import device_class

__all__ = ["evaluate_methods"]

_MAX_SCALE = 16
_FEWEST_SAMPLES, _MOST_SAMPLES = 2, 64


@dataclass(frozen=True)
class _Task:
    """One row of the table."""

    method: Method
    data: DataSet


def evaluate_methods(
    methods: Sequence[str | Network],
    scales: Sequence[int],
    data: Sequence[Path],
    *,
    device: str = "auto",
    max_frames: int | None = None,
    settings: Mapping[str, Any] | None = None,
    lpips: Path | None = None,
    samples: int | None = None,
    resume: Path | None = None,
    on_step: OnStep | None = None,
) -> Evaluation:
    """Score every method at every scale on every set; see `vsr.api.evaluate`."""
    sets = find_sets(data)
    place = torch.device(resolve_device(device))
    tasks = _tasks(methods, scales, sets, place, settings or {})
    perceptual = find_perceptual(lpips, place)
    if samples is not None:
        _check_samples(samples, tasks, perceptual)
    total, done, found = sum(len(task.data.items) for task in tasks), 0, 0
    tell = on_step or (lambda step: None)
    tell(Step(0, total, 0, ""))
    results = []
    with ResultStore(resume) as store:
        for task in tasks:
            scores = []
            for item in task.data.items:
                key = _key(task, item, place, max_frames, perceptual, samples)
                score = store.get(key)
                found += score is not None
                if score is None:
                    score = _score(task, item, max_frames, perceptual, samples)
                    store.put(key, score)
                scores.append(replace(score, name=item.name))  # equal files may have several names
                done += 1
                tell(Step(done, total, found, f"{task.method.name} x{task.method.scale} {task.data.name}/{item.name}"))
            method = task.method
            results.append(
                SetScore(method.name, method.description, method.digest, method.scale, task.data.name, tuple(scores))
            )
    return Evaluation(tuple(results), PROTOCOL, _environment(place))


def _tasks(
    methods: Sequence[str | Network],
    scales: Sequence[int],
    sets: Sequence[DataSet],
    device: torch.device,
    settings: Mapping[str, Any],
) -> list[_Task]:
    if not methods or not scales:
        raise UsageError("an evaluation needs at least one method and one scale")
    for scale in scales:
        if not 1 <= scale <= _MAX_SCALE:
            raise UsageError(f"scale {scale} is not possible; allowed are whole numbers from 1 to {_MAX_SCALE}")
    tasks = []
    stills = [one.name for one in sets if one.kind == "images"]
    for requested in _once(methods):
        for scale in dict.fromkeys(scales):
            method = open_method(requested, scale, device, settings)
            tasks += [_Task(method, one) for one in sets]
            if isinstance(method, ClipMethod) and stills:
                raise UsageError(
                    f"{method.name} restores frames from each other and needs clips; {stills[0]} holds images"
                )
    return tasks


def _once(methods: Sequence[str | Network]) -> list[str | Network]:
    """Without repeated names; networks do not compare by value."""
    return [one for number, one in enumerate(methods) if isinstance(one, Network) or one not in methods[:number]]


def _check_samples(samples: int, tasks: Sequence[_Task], perceptual: Perceptual | None) -> None:
    """Raise `UsageError` where the diversity of samples cannot be measured."""
    if not _FEWEST_SAMPLES <= samples <= _MOST_SAMPLES:
        raise UsageError(f"samples is {samples}; allowed are {_FEWEST_SAMPLES} to {_MOST_SAMPLES}, papers take 10")
    if perceptual is None:
        raise UsageError("samples are compared by LPIPS; give its weights (--lpips FILE)")
    if clips := [task.data.name for task in tasks if task.data.kind == "clips"]:
        raise UsageError(f"samples are drawn of images; {clips[0]} holds clips")
    if not any(isinstance(task.method, ImageMethod) and task.method.draws for task in tasks):
        raise UsageError("none of the methods draws samples; leave samples away, or add a sampling network")


def _score(
    task: _Task, item: Item, max_frames: int | None, perceptual: Perceptual | None, samples: int | None
) -> ItemScore:
    if task.data.kind == "clips" or isinstance(task.method, ClipMethod):
        return score_clip(item, task.method, max_frames, perceptual)
    return score_image(item, task.method, perceptual, samples)


def _key(
    task: _Task,
    item: Item,
    device: torch.device,
    max_frames: int | None,
    perceptual: Perceptual | None,
    samples: int | None,
) -> str:
    frames = max_frames if task.data.kind == "clips" else None
    scale = task.method.scale
    how = (device_class(str(device)), str(torch.__version__), perceptual.digest if perceptual else None, samples)
    return result_key(task.method.digest, scale, item.digest_at(scale), task.data.kind, frames, *how)


def _environment(device: torch.device) -> dict[str, str]:
    return {
        "vsr": version("vsr"),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "device": device_class(str(device)),
        "threads": str(torch.get_num_threads()),
    }
