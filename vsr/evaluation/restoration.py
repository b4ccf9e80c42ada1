"""Restorers that look at neighbouring frames, as methods for clips."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

import torch

from vsr.evaluation.base import ClipMethod
from vsr.frames import VideoFrame
from vsr.networks import load_network
from vsr.pipeline.settings import load_settings
from vsr.restorers import Geometry, Restorer, find_restorer

__all__ = ["restoration_method"]

_DEFAULTS = {"compression_codes": 0.0}  # clips are made small here, not compressed


def restoration_method(name: str, scale: int, device: torch.device, settings: Mapping[str, Any]) -> ClipMethod:
    """The row ``name`` of `vsr.restorers.RESTORERS`; ``settings`` are keys of its options, on top of the defaults.

    Raises `UsageError` for settings that cannot be.
    """
    spec = find_restorer(name)
    _, options = load_settings("default", {**_DEFAULTS, **settings, "method": name})

    def build(first: VideoFrame) -> Restorer:
        sizes = (first.width, first.height, first.width * scale, first.height * scale)
        return spec.build(Geometry(*sizes), options, device)

    weights = "" if spec.network is None else load_network(spec.network, scale).digest
    return ClipMethod(
        name=name,
        description=spec.summary,
        digest=f"{name}:{hashlib.sha256(f'{options!r} {weights}'.encode()).hexdigest()}",
        scale=scale,
        restore=lambda frames: _restored(build, frames),
    )


def _restored(build: Callable[[VideoFrame], Restorer], frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """A clip as one shot: its first frames settle what the restorer knows of the shot."""
    source = iter(frames)
    head = list(islice(source, 1))
    if not head:
        return
    restorer = build(head[0])
    head += islice(source, max(0, restorer.survey_frames - 1))
    yield from restorer.for_shot(head[: restorer.survey_frames]).stream(chain(head, source))
