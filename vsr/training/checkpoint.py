"""State on disk from which a run that was ended anywhere goes on to the same result."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vsr.errors import MachineError, ModelError
from vsr.networks.files import read_safetensors, write_safetensors

__all__ = ["CHECKPOINT", "Saved", "load_checkpoint", "save_checkpoint", "write_tensors", "write_whole"]

CHECKPOINT = "checkpoint.safetensors"
"""In the folder of a run."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint."""

    step: int
    """Steps that are done."""
    seconds: Mapping[str, float]
    """That they took, by phase."""
    losses: tuple[float, ...]
    """Of the steps since the last line of the log."""
    tensors: Mapping[str, Tensor]


def save_checkpoint(folder: Path, saved: Saved) -> None:
    """Replace the checkpoint of a run; the old one stays until the new one is whole and on the disk.

    Raises `MachineError` where it cannot be written; then the old one is still there.
    """
    path = folder / CHECKPOINT
    partial = folder / f".{CHECKPOINT}.part"
    metadata = {
        "vsr.training": json.dumps({"step": saved.step, "seconds": dict(saved.seconds), "losses": saved.losses})
    }
    try:
        write_safetensors(partial, saved.tensors, metadata)
        os.replace(partial, path)
        _resolve(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise MachineError(
            f"{path}: step {saved.step} cannot be kept ({error.strerror or error}); free some space"
        ) from error


def load_checkpoint(folder: Path) -> Saved | None:
    """The checkpoint of a run; None if there is none yet. `ModelError` if it is damaged."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    tensors, metadata = read_safetensors(path)
    try:
        record = json.loads(metadata["vsr.training"])
        seconds = {str(key): float(value) for key, value in record["seconds"].items()}
        return Saved(int(record["step"]), seconds, tuple(map(float, record["losses"])), tensors)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: is not a checkpoint of a training run; choose another folder with --out") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a file of tensors whole or not at all; raises `MachineError`."""
    partial = path.with_name(f".{path.name}.part")
    try:
        write_safetensors(partial, tensors, {})
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise MachineError(f"{path}: cannot be written ({error.strerror or error}); free some space") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file whole or not at all; raises `MachineError`."""
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise MachineError(f"{path}: cannot be written ({error.strerror or error})") from error


def _resolve(folder: Path) -> None:
    """The new name, too, is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
