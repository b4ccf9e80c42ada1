"""What a method learns of a shot, stored beside the segments: learnt once for all workers and runs."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from vsr.methods import Adaptation
from vsr.pipeline.storage import WorkFolder

__all__ = ["load_adaptation", "store_adaptation"]


def _name(key: str) -> str:
    return f"adapt-{key[:32]}.safetensors"


def load_adaptation(work: WorkFolder, key: str) -> Adaptation | None:
    """What was learnt under ``key`` (`vsr.pipeline.sidecar.adaptation_key`), if it is there and whole; else None."""
    path = work.fetch(_name(key))
    try:
        with safe_open(str(path), framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError):
        return None  # missing, or damaged by other hands: it is learnt again


def store_adaptation(work: WorkFolder, key: str, adaptation: Adaptation) -> None:
    """Keep what was learnt. Two workers may do so at once: they learnt the same. Raises OSError where it cannot."""
    work.make_copy()
    path = work.path / _name(key)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        save_file({name: value.contiguous() for name, value in adaptation.items()}, temporary, {"key": key})
        _sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    work.commit(path)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
