"""Writing what a report makes: the whole file or none, and refusals before any work."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from vsr.errors import MachineError, UsageError
from vsr.pipeline.publishing import refuse_special
from vsr.pipeline.sidecar import write_atomically

__all__ = ["PAGE_SUFFIXES", "check_place", "write_text"]

PAGE_SUFFIXES = (".html", ".htm")


def check_place(path: Path, sources: Iterable[Path] = (), suffixes: Sequence[str] = ()) -> None:
    """Refuse a name that cannot be written, is one of ``sources``, or lacks the ``suffixes``, before hours of work.

    Raises `MachineError` or `UsageError`.
    """
    folder = path.absolute().parent
    _check_name(path)
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise UsageError(f"{path}: is what is read; name another file to write")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file")
    refuse_special(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise UsageError(f"{path}: what is written is named {' or '.join(suffixes)}; name another file")
    if not folder.is_dir():
        raise MachineError(f"{path}: there is no folder {folder}; make it first")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise MachineError(f"{path}: folder {folder} is not writable ({error.strerror or error})") from error


def _check_name(path: Path) -> None:
    try:
        path.exists()
    except OSError as error:
        raise UsageError(f"{path.name[:40]}…: cannot be a name ({error.strerror or error}); shorten it") from error


def write_text(path: Path, text: str) -> None:
    """The whole file or none. Raises `MachineError` where the disk refuses."""
    try:
        write_atomically(path, text)
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error.strerror or error})") from error
