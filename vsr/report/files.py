"""Writing what a report makes: the whole file or none, and refusals before any work."""

from __future__ import annotations

import os
from pathlib import Path

from vsr.errors import MachineError, UsageError
from vsr.pipeline.sidecar import write_atomically

__all__ = ["check_place", "write_text"]


def check_place(path: Path) -> None:
    """Refuse a name that cannot be written, before hours of work. Raises `MachineError` or `UsageError`."""
    folder = path.absolute().parent
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file")
    if not folder.is_dir():
        raise MachineError(f"{path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise MachineError(f"{path}: folder {folder} is not writable")


def write_text(path: Path, text: str) -> None:
    """The whole file or none. Raises `MachineError` where the disk refuses."""
    try:
        write_atomically(path, text)
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error.strerror or error})") from error
