"""Where files are: paths that every machine sees, or URLs of an object store with copies on each machine.

A source named by a URL is staged: read once on each machine for all its processes, and kept. What is made
for a URL is made in a folder of the process that makes it and put into the store whole. Stores have no rename; what
makes a segment count is its sidecar, which is put last.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import ReadWriteLock, Timeout, lock_descriptor

from vsr.errors import InputError, MachineError, VsrError
from vsr.pipeline.objects import (
    download,
    find_object,
    join_url,
    list_objects,
    remove_objects,
    split_url,
    upload,
)

__all__ = [
    "LEASE_NAME",
    "WorkFolder",
    "describe_by_url",
    "local_place",
    "make_locked",
    "remove_if_left",
    "stage",
    "staging_root",
]

LEASE_NAME = "lease.json"
"""What says in a store that somebody is at work in a folder; see `vsr.pipeline.lease`."""
_KEPT_COPIES = 8
_REMOVALS, _REMOVAL_SECONDS = 40, 0.05


def staging_root() -> Path:
    """This machine's folder for copies, of this user alone. Raises `MachineError`."""
    root = Path(os.environ.get("VSR_STAGING", "") or Path(tempfile.gettempdir()) / f"vsr-{os.getuid()}")
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot make staging folder {root}: {error.strerror}; VSR_STAGING names another") from error
    if root.stat().st_uid != os.getuid():
        raise MachineError(f"staging folder {root} belongs to another user; name another one by VSR_STAGING")
    return root


def _tag(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def local_place(url: str) -> Path:
    """Where this process puts together what goes to ``url``; the folder is there."""
    folder, name = split_url(url)
    place = _own_folder(os.getpid(), staging_root()) / _tag(folder)
    place.mkdir(parents=True, exist_ok=True)
    return place / name


@functools.cache
def _own_folder(process: int, root: Path) -> Path:
    """A folder of this process alone. Those of processes that ended are removed, however they ended."""
    base = root / "run"
    base.mkdir(exist_ok=True)
    for lock in base.glob("*.lock"):
        remove_if_left(lock, lock.with_suffix(""))
    folder = base / f"{process}-{uuid.uuid4().hex}"
    make_locked(folder.with_name(f"{folder.name}.lock"))  # open until we end
    folder.mkdir()
    atexit.register(_leave, process, folder)
    return folder


def make_locked(path: Path) -> int:
    """Make a file that is locked as long as the descriptor is open that comes back: for `remove_if_left`.

    Some file systems know no locks; what is made there is never taken for left. Raises `OSError`.
    """
    unlocked = path.with_name(f".new{path.name}.tmp")
    descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT, 0o600)
    with contextlib.suppress(OSError):
        lock_descriptor(descriptor)
    os.replace(unlocked, path)  # never visible unlocked
    return descriptor


def remove_if_left(path: Path, folder: Path | None = None) -> None:
    """Remove a file of `make_locked`, and the folder that goes with it, if the process that made it has ended."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR)
        try:
            if lock_descriptor(descriptor, blocking=False):
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _leave(process: int, folder: Path) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)


def _lock_of(folder: Path) -> ReadWriteLock:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return ReadWriteLock(folder.with_suffix(".lock"), is_singleton=False)


@contextlib.contextmanager
def stage(source: str, version: str | None = None) -> Iterator[Path]:
    """This machine's copy of an object, which stays as long as the context lasts. It is read at most once.

    The context must end in the thread in which it began.

    ``version`` as from `find_object`; None: whatever is there now. Errors raised inside are `describe_by_url`. Raises
    `InputError` where there is no such object or not of this version any more, `MachineError` where it cannot be
    copied.
    """
    if version is None:
        facts = find_object(source)
        version = facts.version if facts is not None else ""
    folder = staging_root() / "in" / _tag(f"{source} {version}")
    copy = folder / split_url(source)[1]
    lock = _lock_of(folder)
    while True:
        with lock.read_lock():
            if copy.exists():
                folder.touch()
                with describe_by_url(copy, source):
                    yield copy
                return
        with lock.write_lock():  # the others wait; one of them may have been quicker
            if not copy.exists():
                _copy_here(source, version, copy)


@contextlib.contextmanager
def describe_by_url(copy: Path, url: str | None) -> Iterator[None]:
    """Errors that name ``copy`` name ``url``, of which it is a copy, instead."""
    try:
        yield
    except VsrError as error:
        if url is None or str(copy) not in str(error):
            raise
        raise type(error)(str(error).replace(str(copy), url)) from error


def _copy_here(url: str, version: str, copy: Path) -> None:
    facts = find_object(url)
    if facts is not None:
        _refuse_other(url, facts.version, version)
        copy.parent.mkdir(parents=True, exist_ok=True)
        for leftover in copy.parent.glob("*.tmp"):
            leftover.unlink(missing_ok=True)
        _make_room(copy.parent, url, facts.size_bytes)
    part = copy.with_name(f"{uuid.uuid4().hex}.tmp")
    try:
        download(url, part)
        after = find_object(url)
        _refuse_other(url, after.version if after is not None else "", version)
        os.replace(part, copy)
    finally:
        part.unlink(missing_ok=True)


def _refuse_other(url: str, found: str, requested: str) -> None:
    if found != requested:
        raise InputError(f"{url}: was replaced while it was being worked on; start again")


def _make_room(folder: Path, url: str, size_bytes: int) -> None:
    """Remove unused copies, least recently used first, until there are few and there is room."""
    others = sorted((one for one in folder.parent.iterdir() if one.is_dir() and one != folder), key=_read_last_asked)
    count = len(others)
    for other in others:
        if count < _KEPT_COPIES and shutil.disk_usage(folder).free > size_bytes:
            break
        with contextlib.suppress(Timeout), _lock_of(other).write_lock(blocking=False):
            shutil.rmtree(other, ignore_errors=True)
            count -= 1
    free = shutil.disk_usage(folder).free
    if free <= size_bytes:
        raise MachineError(
            f"cannot copy {url}: it has {size_bytes:,} bytes and {folder.parent} has room for {free:,}; "
            "VSR_STAGING names another folder"
        )


def _read_last_asked(folder: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return folder.stat().st_mtime
    return 0.0


@dataclass(frozen=True)
class WorkFolder:
    """Where a job's segments are kept until its output is whole: a folder, or one in an object store."""

    folder: Path | None = None
    """The folder, or None for ``url``."""
    url: str | None = None
    """The folder in an object store."""

    @property
    def path(self) -> Path:
        """The folder; with ``url`` one of this process for what it makes or reads at the moment."""
        if self.folder is not None:
            return self.folder
        assert self.url is not None
        return local_place(self.url)

    def __str__(self) -> str:
        return self.url or str(self.folder)

    def is_there(self) -> bool:
        """Whether there is anything of it."""
        return self.folder.exists() if self.folder is not None else bool(list_objects(str(self.url)))

    def make(self) -> None:
        """Make the folder; the holder of its lease does so once. Raises `MachineError`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MachineError(f"cannot make work folder {self.path}: {error.strerror}") from error

    def make_copy(self) -> None:
        """Make the folder of this process for what it puts into a store. Raises `MachineError`.

        A folder on a path is there as long as its run is. A worker that outlives the run does not bring it back.
        """
        if self.url is not None:
            self.make()

    def commit(self, file: Path) -> None:
        """Let every machine see ``file`` of this folder; in a store, it is no longer here then."""
        if self.url is not None:
            upload(file, join_url(self.url, file.name))
            file.unlink()

    def fetch(self, name: str) -> Path:
        """The file ``name``, copied here first where it is not; it may be missing then, too."""
        path = self.path / name
        if self.url is None or path.exists():
            return path
        self.make_copy()
        part = path.with_name(f"{name}.{uuid.uuid4().hex}.tmp")
        with contextlib.suppress(InputError):  # missing
            try:
                download(join_url(self.url, name), part)
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)
        return path

    def forget(self, *names: str) -> None:
        """Let go of what `fetch` copied here; on a path nothing was."""
        if self.url is not None:
            for name in names:
                (self.path / name).unlink(missing_ok=True)

    def clear_attempts(self) -> None:
        """Remove what stopped runs left half-written; call it under the lease, when no one is writing."""
        if self.url is not None:
            shutil.rmtree(self.path, ignore_errors=True)  # what counts is in the store
            remove_objects(self.url, list_objects(self.url, "plan-*"))
            return
        for pattern in ("*.tmp", ".*.tmp", "plan-*"):
            for leftover in self.path.glob(pattern):
                leftover.unlink(missing_ok=True)

    def holds_segments(self) -> bool:
        """Whether a later run would find something finished."""
        return bool(self.sidecars())

    def sidecars(self) -> list[str]:
        """Names of those of finished segments."""
        if self.url is None:
            return [path.name for path in self.path.glob("segment-*.json")]
        return list_objects(self.url, "segment-*.json")

    def remove(self) -> None:
        """Remove the folder with all that is in it; in a store the lease stays.

        A worker that is being ended may still write; what it adds while the folder is emptied goes, too: where that is
        not empty in the end, it loses its name, under which alone it is written to.
        """
        for _ in range(_REMOVALS):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                break
            nameless = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.tmp")
            with contextlib.suppress(OSError):
                self.path.rename(nameless)
            shutil.rmtree(nameless, ignore_errors=True)
            if not self.path.exists():
                break
            time.sleep(_REMOVAL_SECONDS)
        if self.url is not None:
            remove_objects(self.url, [name for name in list_objects(self.url) if name != LEASE_NAME])
