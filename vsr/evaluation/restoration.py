"""Methods that look at neighbouring frames, as methods for clips."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import torch

from vsr.evaluation.base import ClipMethod
from vsr.frames import VideoFrame
from vsr.methods import Geometry, Prepared, find_method, restore_shot
from vsr.pipeline.settings import load_settings
from vsr.pipeline.sidecar import canonical

__all__ = ["restoration_method"]

_DEFAULTS = {"compression_codes": 0.0}  # clips are downscaled here, not compressed
_USUAL_SIDE = 256  # pixels: weights and precision do not depend on it


def restoration_method(name: str, scale: int, device: torch.device, settings: Mapping[str, Any]) -> ClipMethod:
    """The row ``name`` of `vsr.methods.METHODS`; ``settings`` are keys of its options, on top of the defaults.

    Raises `UsageError` for settings that cannot be.
    """
    method = find_method(name)
    _, options = load_settings("default", {**_DEFAULTS, **settings, "method": name}, is_lenient=True)

    def prepare(width: int, height: int) -> tuple[Prepared[Any], Geometry]:
        geometry = Geometry(width, height, width * scale, height * scale)
        return method.prepare(geometry, options, str(device)), geometry

    def restore(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        source = iter(frames)
        first = next(source, None)
        if first is not None:
            yield from restore_shot(*prepare(first.width, first.height), chain([first], source))

    usual, _ = prepare(_USUAL_SIDE, _USUAL_SIDE)
    decides = json.dumps([repr(options), canonical(usual.key())], sort_keys=True)
    return ClipMethod(
        name=name,
        description=method.summary,
        digest=f"{name}:{hashlib.sha256(decides.encode()).hexdigest()}",
        scale=scale,
        restore=restore,
    )
