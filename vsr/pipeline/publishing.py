"""A finished output gets its name: atomically, overwriting nothing by accident, and recognised after a kill."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

from vsr.errors import UsageError
from vsr.media.images import STREAMS_FILE, TIMING_FILE
from vsr.pipeline.sidecar import write_atomically
from vsr.pipeline.storage import WorkFolder

__all__ = [
    "KEPT_NOTE",
    "OUTPUT_NOTE",
    "created_concurrently",
    "is_output_of",
    "note_output",
    "publish",
    "refuse_special",
    "remove",
    "unexpected_files",
]

OUTPUT_NOTE, KEPT_NOTE = "output.json", "kept.json"
"""Names, in a work folder, of the notes of what became the output, and the file of packets beside it."""
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def refuse_special(place: Path, hint: str = "name a file") -> None:
    """Refuse a FIFO, socket or device under an output's name: a rename would put a file in its place. `UsageError`."""
    if place.exists() and not place.is_file() and not place.is_dir():
        kind = "FIFO" if place.is_fifo() else "socket" if place.is_socket() else "device"
        raise UsageError(f"output {place} is a {kind}, which must not be replaced; {hint}")


def note_output(work: WorkFolder, partial: Path, note: str = OUTPUT_NOTE) -> None:
    """Note what is about to get the output's name, for `is_output_of`; a store gets the output later, and at once."""
    if work.url is None:
        write_atomically(work.path / note, json.dumps(_identity(partial)))


def is_output_of(work: WorkFolder, place: Path, note: str = OUTPUT_NOTE) -> bool:
    """Whether ``place`` is, untouched, what the run of this work folder gave its name before it was killed."""
    if work.url is not None:
        return False
    try:
        return bool(json.loads((work.path / note).read_text()) == _identity(place))
    except (OSError, ValueError):
        return False


def _identity(path: Path) -> dict[str, int]:
    """What a rename does not change, and writing does."""
    found = path.stat()
    return {"size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}


def publish(partial: Path, place: Path, *, replace: bool) -> None:
    """Give the finished file or folder ``partial`` the name ``place``; what it replaces goes only then.

    Raises `UsageError` where there is something and ``replace`` is false, or where a folder holds other things than
    images: it came while the work went on. `OSError`.
    """
    try:
        if replace:
            _replace(partial, place)
        elif partial.is_dir():
            os.replace(partial, place)  # fails over anything but an empty folder
        else:
            _link(partial, place)
    except OSError as error:
        if replace or error.errno not in _TAKEN:
            raise
        raise created_concurrently(place) from error


def created_concurrently(place: Path | str) -> UsageError:
    """What to say where ``place``, a path or a URL, was free when the run began."""
    return UsageError(
        f"{place} has come to be while the run was at work; give --overwrite to replace it, or move it away; the "
        "same command then goes on"
    )


def unexpected_files(folder: Path, suffix: str) -> list[str]:
    """Names in ``folder`` that no sequence of ``suffix`` images brings with it."""
    own = (TIMING_FILE, STREAMS_FILE)
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix != suffix and entry.name not in own)


def _replace(partial: Path, place: Path) -> None:
    if not (place.is_dir() and partial.is_dir()):
        os.replace(partial, place)  # a file fails over a folder
        return
    suffix = next(entry.suffix for entry in partial.iterdir() if entry.name not in (TIMING_FILE, STREAMS_FILE))
    unexpected = unexpected_files(place, suffix)
    if unexpected:
        raise UsageError(
            f"{place} holds other things ({unexpected[0]}), which came while the run was at work; move them away; the "
            "same command then goes on"
        )
    old = place.with_name(f".{place.name}.vsr-old")
    remove(old)
    os.replace(place, old)
    os.replace(partial, place)
    remove(old)


def _link(partial: Path, place: Path) -> None:
    """Rename to a name that is free, or else fail, in one step where the file system has hard links."""
    if place.is_symlink() and not place.exists():
        place.unlink()  # it led nowhere
    try:
        os.link(partial, place)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if place.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place)) from error
        os.replace(partial, place)
    else:
        partial.unlink()


def remove(path: Path) -> None:
    """A file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
