"""Where files are: paths that every machine sees, or URLs of an object store with a copy on each machine.

A URL (``s3://…``, ``gs://…``, whatever fsspec knows) is staged: read once on each machine into a folder of its own,
worked on there, and put back whole. Object stores have no rename; what makes a segment count is its sidecar,
which is put last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from vsr.errors import InputError, MachineError, UsageError, WorkFolderBusy

__all__ = ["Lease", "WorkFolder", "deliver", "is_url", "join_url", "local_place", "stage", "url_exists", "url_size"]

_KEPT_COPIES = 8
_LEASE_SECONDS = 60.0
_LEASE_NAME = "lease.json"


def is_url(text: str | Path) -> bool:
    """Whether ``text`` names something in an object store rather than a path."""
    scheme, sign, _ = str(text).partition("://")
    return bool(sign) and scheme.replace("+", "").isalnum()


def join_url(folder: str, name: str) -> str:
    """``folder`` and ``name`` with one slash between them."""
    return f"{folder.rstrip('/')}/{name}"


def _open_store(url: str) -> tuple[Any, str]:
    """The fsspec file system of ``url`` and the path in it."""
    import fsspec

    scheme = url.partition("://")[0]
    if scheme in ("file", "local", "memory", "http", "https"):
        raise UsageError(f"{url}: {scheme}:// is not a shared store; give a path, or s3:// or gs://")
    try:
        store, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ValueError as error:
        raise UsageError(f"{url}: no store is known by {scheme}://") from error
    except ImportError as error:
        raise MachineError(f"{url}: {error}") from error
    return store, path


@contextlib.contextmanager
def _store_errors(url: str, doing: str) -> Iterator[None]:
    """What the store answers, as one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{url}: no such object") from error
    except PermissionError as error:
        raise MachineError(f"cannot {doing} {url}: access denied") from error
    except OSError as error:
        raise MachineError(f"cannot {doing} {url}: {error}") from error


def url_exists(url: str) -> bool:
    """Whether an object of this name is there."""
    store, path = _open_store(url)
    with _store_errors(url, "look up"):
        return bool(store.exists(path))


def url_size(url: str) -> int:
    """Bytes of an object."""
    store, path = _open_store(url)
    with _store_errors(url, "look up"):
        return int(store.info(path)["size"])


def _root() -> Path:
    """This machine's folder for copies, of this user alone."""
    root = Path(os.environ.get("VSR_STAGING", "") or Path(tempfile.gettempdir()) / f"vsr-{os.getuid()}")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if root.stat().st_uid != os.getuid():
        raise MachineError(f"{root} belongs to another user; name another folder by VSR_STAGING")
    return root


def _tag(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def local_place(url: str) -> Path:
    """Where on this machine the output named by ``url`` is put together; its folder is made."""
    folder = _root() / "out" / _tag(url.rpartition("/")[0])
    folder.mkdir(parents=True, exist_ok=True)
    return folder / url.rpartition("/")[2]


def stage(source: str | Path) -> Path:
    """``source`` as a path: itself, or this machine's copy of what the URL names, read once whoever asks.

    Raises `InputError` where there is no such object, `MachineError` where it cannot be copied.
    """
    if not is_url(source):
        return Path(source)
    url = str(source)
    store, path = _open_store(url)
    with _store_errors(url, "read"):
        facts = store.info(path)
    version = str(facts.get("ETag") or facts.get("etag") or facts.get("LastModified") or "")
    folder = _root() / "in" / _tag(f"{url} {facts['size']} {version}")
    copy = folder / url.rpartition("/")[2]
    if copy.exists():
        folder.touch()
        return copy
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not copy.exists():
            _forget_old_copies(folder)
            part = folder / f"{uuid.uuid4().hex}.tmp"
            try:
                with _store_errors(url, "read"):
                    store.get_file(path, str(part))
                os.replace(part, copy)
            finally:
                part.unlink(missing_ok=True)
    return copy


def _forget_old_copies(keep: Path) -> None:
    """Remove the copies that nobody asked for longest; whoever still reads one keeps it until it is closed."""
    entries = sorted((entry for entry in keep.parent.iterdir() if entry != keep), key=lambda e: e.stat().st_mtime)
    for entry in entries[: max(0, len(entries) + 1 - _KEPT_COPIES)]:
        shutil.rmtree(entry, ignore_errors=True)


def deliver(path: Path, url: str) -> None:
    """Put a file into the store under its final name; stores make an object appear whole or not at all."""
    store, place = _open_store(url)
    with _store_errors(url, "write"):
        store.put_file(str(path), place)


@dataclass(frozen=True)
class WorkFolder:
    """Where a job's segments are kept until its output is whole."""

    path: Path
    """The folder; with ``url`` this machine's copy of some of it."""
    url: str | None = None
    """The folder in an object store that counts."""

    def make(self) -> None:
        """Make the folder. Raises `MachineError`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MachineError(f"cannot make work folder {self.path}: {error.strerror}") from error

    def commit(self, file: Path) -> None:
        """Let every machine see ``file`` of this folder; in a store, it is no longer here then."""
        if self.url is not None:
            deliver(file, join_url(self.url, file.name))
            file.unlink()

    def fetch(self, name: str) -> Path:
        """The file ``name``, copied here first where it is not; it may be missing then, too."""
        path = self.path / name
        if self.url is None or path.exists():
            return path
        self.make()
        part = path.with_name(f"{name}.{uuid.uuid4().hex}.tmp")
        url = join_url(self.url, name)
        store, place = _open_store(url)
        try:
            with _store_errors(url, "read"), contextlib.suppress(FileNotFoundError):
                store.get_file(place, str(part))
                os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def clear_attempts(self) -> None:
        """Remove what stopped runs left half-written; call it under the lease, when nobody is writing."""
        for pattern in ("*.tmp", ".*.tmp", "plan-*"):
            for leftover in self.path.glob(pattern):
                leftover.unlink(missing_ok=True)

    def holds_segments(self) -> bool:
        """Whether a later run would find something finished."""
        if self.url is None:
            return any(self.path.glob("segment-*.json"))
        store, place = _open_store(self.url)
        with _store_errors(self.url, "list"):
            return bool(store.glob(join_url(place, "segment-*.json")))

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self.url is not None:
            store, place = _open_store(self.url)
            with _store_errors(self.url, "remove"), contextlib.suppress(FileNotFoundError):
                store.rm(place, recursive=True)


@dataclass
class Lease:
    """The right of one run to a work folder; it ends with the process that holds it.

    On a path it is a lock of the operating system. In an object store it is an object that its holder writes again
    every few seconds; one that was not for a minute is void.
    """

    work: WorkFolder
    output: str
    """Named in the refusal."""
    _lock: BaseFileLock | None = None
    _token: str = field(default_factory=lambda: uuid.uuid4().hex)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Raises `WorkFolderBusy` where another run holds it."""
        self._lock = FileLock(self.work.path / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise self._busy() from error
        if self.work.url is not None:
            try:
                self._take_object(join_url(self.work.url, _LEASE_NAME))
            except BaseException:
                self._lock.release()
                raise

    def release(self) -> None:
        """Let others have it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self.work.url is not None:
            store, place = _open_store(join_url(self.work.url, _LEASE_NAME))
            with contextlib.suppress(OSError):
                store.rm_file(place)
        if self._lock is not None:
            self._lock.release()

    def _busy(self) -> WorkFolderBusy:
        place = self.work.url or self.work.path
        return WorkFolderBusy(f"another run is at work on {self.output} (work folder {place})")

    def _take_object(self, url: str) -> None:
        store, place = _open_store(url)
        with _store_errors(url, "write"):
            held = self._read(store, place)
            if held is not None and time.time() - held["renewed"] < _LEASE_SECONDS:
                raise self._busy()
            if held is not None:
                store.rm_file(place)
            try:
                store.pipe_file(place, self._text(), mode="create")  # refused where another was quicker
            except FileExistsError as error:
                raise self._busy() from error
        self._thread = threading.Thread(target=self._renew, args=(store, place), name="lease", daemon=True)
        self._thread.start()

    def _text(self) -> bytes:
        return json.dumps({"token": self._token, "host": socket.gethostname(), "renewed": time.time()}).encode()

    @staticmethod
    def _read(store: Any, place: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads(store.cat_file(place)))
        except (FileNotFoundError, ValueError):
            return None

    def _renew(self, store: Any, place: str) -> None:
        while not self._stop.wait(_LEASE_SECONDS / 4):
            with contextlib.suppress(OSError):  # the next renewal may succeed; four must fail to lose the lease
                store.pipe_file(place, self._text())
