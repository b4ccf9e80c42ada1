"""The right of one run to a work folder.

On a path it is a lock of the operating system, which ends with the process. In an object store it is an object that
its holder writes again every few seconds, beside a lock on the holder's machine. Two runs that both had it would do
no harm, only work twice: what they put under one name is the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from vsr.errors import MachineError, VsrError, WorkFolderBusy
from vsr.pipeline.objects import join_url, read_object, remove_object, write_object
from vsr.pipeline.storage import LEASE_NAME, WorkFolder, staging_root

__all__ = ["Lease"]

_log = logging.getLogger(__name__)


@dataclass
class Lease:
    """Held from `acquire` to `release`, or to the end of the process."""

    work: WorkFolder
    output: str
    """Named in the refusal."""
    seconds: float = 60.0
    """In a store: how long it holds without being renewed; it is renewed four times as often."""
    staging: Path = field(default_factory=staging_root)
    """Folder of this machine; those that share it share locks."""
    clock: Callable[[], float] = time.time
    _lock: BaseFileLock | None = None
    _token: str = field(default_factory=lambda: uuid.uuid4().hex)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lost: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Raises `WorkFolderBusy` where another run holds it, `MachineError`."""
        self._lock = FileLock(self._lock_path())
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise self._busy("this machine") from error
        except OSError as error:
            raise MachineError(f"{self._lock_path()}: cannot be locked ({error.strerror or error})") from error
        if self.work.url is not None:
            try:
                self._take_object()
            except BaseException:
                self._lock.release()
                raise

    def check(self) -> None:
        """Raises `WorkFolderBusy` where another run took it, because this one was not heard of for too long."""
        if self._lost.is_set():
            raise WorkFolderBusy(f"another run took over {self.output} (work folder {self.work}); this one stops")

    def release(self) -> None:
        """Let others have it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            try:
                if (self._read() or {}).get("token") == self._token:
                    remove_object(self._url)
            except VsrError as error:
                _log.warning("%s; it is void in %g s", error, self.seconds)
        if self._lock is not None:
            self._lock.release()

    @property
    def _url(self) -> str:
        assert self.work.url is not None
        return join_url(self.work.url, LEASE_NAME)

    def _lock_path(self) -> Path:
        if self.work.url is None:
            return self.work.path / "lock"
        folder = self.staging / "leases"
        folder.mkdir(exist_ok=True)
        return folder / f"{hashlib.sha256(self.work.url.encode()).hexdigest()[:16]}.lock"

    def _busy(self, where: str) -> WorkFolderBusy:
        return WorkFolderBusy(f"another run is at work on {self.output} (work folder {self.work}, on {where})")

    def _take_object(self) -> None:
        held = self._read()
        if held is not None:
            # Its writer on this machine has ended: we hold its lock.
            if held.get("machine") != _name_of(self.staging) and not self._is_void(held):
                raise self._busy(f"{held.get('host')}; if that one was killed, try again in {self.seconds:g} s")
            remove_object(self._url)
        if not write_object(self._url, self._text(), only_new=True):
            raise self._busy("a machine that was quicker")
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def _is_void(self, held: dict[str, Any]) -> bool:
        """Whether its holder is gone: it looks old, and is not renewed while we look. Clocks may differ."""
        if self.clock() - float(held.get("renewed", 0)) < self.seconds:
            return False
        time.sleep(self.seconds / 3)
        return (self._read() or held) == held

    def _text(self) -> bytes:
        facts = {
            "token": self._token,
            "machine": _name_of(self.staging),
            "host": socket.gethostname(),
            "renewed": self.clock(),
        }
        return json.dumps(facts).encode()

    def _read(self) -> dict[str, Any] | None:
        data = read_object(self._url)
        try:
            return None if data is None else dict(json.loads(data))
        except (ValueError, TypeError):
            return {}  # not ours, and as old as can be

    def _renew(self) -> None:
        while not self._stop.wait(self.seconds / 4):
            try:
                if (self._read() or {}).get("token") != self._token:
                    self._lost.set()
                    return
                write_object(self._url, self._text())
            except VsrError as error:
                _log.warning("lease: %s", error)  # the next try may succeed; four must fail to lose it


def _name_of(staging: Path) -> str:
    """A name for the processes that share local locks, made once in the staging folder."""
    path = staging / "machine"
    fresh = path.with_name(f"machine.{uuid.uuid4().hex}.tmp")
    fresh.write_text(uuid.uuid4().hex)
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
    return path.read_text()
