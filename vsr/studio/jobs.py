"""Jobs on the disk: one file each, replaced whole, so that a studio that is killed knows all of them again.

What they hold is checked as what the page sends is: a folder may come from elsewhere, its hidden files, too.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vsr.errors import MachineError
from vsr.pipeline.sidecar import write_atomically
from vsr.studio.places import make_own_folder

__all__ = ["Job", "JobStore", "State"]

_log = logging.getLogger(__name__)

State = Literal["waiting", "running", "pausing", "paused", "done", "failed", "cancelled"]

_FORMAT = 1


@dataclass(frozen=True)
class Job:
    """One command in the queue."""

    id: str
    kind: str
    choice: dict[str, Any]
    """What the page asked for, with its output; see `vsr.studio.choices`. The command is made of it each time."""
    order: float
    """Those with a smaller one come first, among jobs of one priority."""
    priority: int = 0
    """Those with a higher one come first."""
    state: State = "waiting"
    added: str = ""
    """When it was added, ISO 8601 in UTC; so are the other times."""
    started: str | None = None
    """When it was begun for the first time."""
    finished: str | None = None
    seconds: float = 0.0
    """That it has run, all its runs together."""
    error: str | None = None
    """Why it failed, in words."""
    progress: dict[str, Any] | None = None
    """What was last heard of it."""

    @property
    def is_unfinished(self) -> bool:
        """Whether it is still to be run, or on hold."""
        return self.state in ("waiting", "running", "pausing", "paused")


class JobStore:
    """The jobs of a folder ``jobs`` in the studio's own."""

    def __init__(self, state: Path) -> None:
        """Raises `MachineError` where nothing can be kept there."""
        self.folder = state / "jobs"
        make_own_folder(self.folder)

    def load(self) -> list[Job]:
        """All jobs. What is no job, which only others can have put there, is left aside and logged."""
        jobs = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                assert told.pop("format") == _FORMAT
                job = Job(**told)
                assert job.id == path.stem
            except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
                _log.warning("%s is no job of this version and is left as it is (%s)", path, error)
                continue
            # one that ran when its studio ended is to go on
            jobs.append(replace(job, state="waiting") if job.state in ("running", "pausing") else job)
        return jobs

    def save(self, jobs: Iterable[Job]) -> None:
        """Write them down. Raises `MachineError`."""
        for job in jobs:
            try:
                write_atomically(
                    self.folder / f"{job.id}.json", json.dumps({"format": _FORMAT, **asdict(job)}, indent=1)
                )
            except OSError as error:
                raise MachineError(f"the queue cannot be written down: {error.strerror or error}") from error

    def forget(self, job: Job) -> None:
        """Remove a job and what was kept for it."""
        for path in (self.folder / f"{job.id}.json", self.newest(job)):
            path.unlink(missing_ok=True)

    def newest(self, job: Job) -> Path:
        """Where the run leaves a picture of its newest frames."""
        return self.folder / f"{job.id}.png"

    @staticmethod
    def fresh_id() -> str:
        """An id that no other job has."""
        return uuid.uuid4().hex[:12]
