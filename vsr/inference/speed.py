"""Whether half precision is as quick here as its class of processor promises.

Some builds of PyTorch compute convolutions in half precision many times slower than in float32 on processors with
instructions for it. A sound build takes a half of float32's time or less, such a one four times as long: far enough
apart that the answer is a property of the processor and the build, not of the moment. It is found once a class of
processor and version of PyTorch, on a fixed convolution, and kept in ``$XDG_CACHE_HOME/vsr/speed.json``.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from vsr.inference.hardware import HalfType, device_class

__all__ = ["is_slow_here", "measure_ratio"]

SLOW = 1.5
"""Times float32's time from which a type counts as slow."""

_CHANNELS, _SIDE, _RUNS = 64, 96, 5
_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
_LOGGER = logging.getLogger(__name__)


def _seconds(dtype: torch.dtype) -> float:
    """Processor time of a 3×3 convolution of 64 channels, the least of some."""
    layer = nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1).to(dtype).to(memory_format=torch.channels_last)
    image = torch.zeros(1, _CHANNELS, _SIDE, _SIDE, dtype=dtype).to(memory_format=torch.channels_last)
    spent = []
    with torch.inference_mode():
        for _ in range(1 + _RUNS):
            began = time.process_time()
            layer(image)
            spent.append(time.process_time() - began)
    return max(min(spent[1:]), 1e-6)


def measure_ratio(name: HalfType) -> float:
    """Times float32's processor time that a convolution takes in the type ``name``."""
    return _seconds(_TYPES[name]) / _seconds(torch.float32)


def _store() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vsr" / "speed.json"


def _read(path: Path) -> dict[str, float]:
    """What was found before; nothing where the file is missing or damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in kept.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(path: Path, ratios: dict[str, float]) -> None:
    partial = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(ratios, indent=1), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        _LOGGER.info("%s cannot be written (%s): speed is measured again next time", path, error.strerror)


@functools.cache
def is_slow_here(name: HalfType, device: torch.device) -> bool:
    """Whether convolutions in the type ``name`` are slower than in float32, against what the class promises.

    GPUs keep their promises; only processors are tried.
    """
    if device.type != "cpu":
        return False
    path, key = _store(), f"{name}, {device_class('cpu')}, torch {torch.__version__}"
    known = _read(path)
    if key not in known:
        known[key] = round(measure_ratio(name), 3)
        _write(path, known)
    if known[key] >= SLOW:
        _LOGGER.warning("%s takes %.1f times float32's time with this build of PyTorch: not used", name, known[key])
    return known[key] >= SLOW
