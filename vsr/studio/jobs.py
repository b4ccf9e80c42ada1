"""Jobs on the disk: one file each, replaced whole, so that a studio that is killed knows all of them again.

What they hold is checked as what the page sends is: a folder may come from elsewhere, its hidden files, too.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, with_config

from vsr.errors import MachineError
from vsr.pipeline.sidecar import write_atomically
from vsr.studio.places import make_own_folder, read_own

__all__ = ["Goal", "Job", "JobStore", "State", "now"]

_log = logging.getLogger(__name__)

State = Literal["waiting", "running", "pausing", "paused", "done", "failed", "cancelled"]
Goal = Literal["paused", "cancelled"]

_FORMAT = 1


@with_config(ConfigDict(extra="forbid", allow_inf_nan=False))
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
    goal: Goal | None = None
    """What it becomes once its run has ended, where that was asked to stop (state ``pausing``)."""
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

    def stopped(self) -> Job:
        """The same once its run has ended before it was done: at its goal, or to go on."""
        finished = now() if self.goal == "cancelled" else None
        return replace(self, state=self.goal or "waiting", goal=None, finished=finished)


_JOB = TypeAdapter(Job)


class JobStore:
    """The jobs of a folder ``jobs`` in the studio's own."""

    def __init__(self, state: Path) -> None:
        """Raises `MachineError` where nothing can be kept there."""
        self.folder = state / "jobs"
        make_own_folder(self.folder)

    def load(self) -> list[Job]:
        """All jobs. What is not a job, which only others can have put there, is left aside and logged."""
        jobs = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                job = _parse(path.stem, read_own(path))
            except (OSError, ValueError, RecursionError) as error:
                _log.warning("%s is not a job of this version and is left as it is (%s)", path, error)
                continue
            jobs.append(job.stopped() if job.state in ("running", "pausing") else job)  # its studio was killed
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
        """Remove a job and what was kept for it. Raises `MachineError`."""
        try:
            for path in (self.folder / f"{job.id}.json", self.newest(job)):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise MachineError(f"the job cannot be removed: {error.strerror or error}") from error

    def newest(self, job: Job) -> Path:
        """Where the run leaves an image of its newest frames."""
        return self.folder / f"{job.id}.png"

    @staticmethod
    def fresh_id() -> str:
        """An id that no other job has."""
        return uuid.uuid4().hex[:12]


def _parse(key: str, data: bytes) -> Job:
    """A job from its file. Raises `ValueError`, `RecursionError`."""
    fields = json.loads(data)
    if not isinstance(fields, dict) or fields.pop("format", None) != _FORMAT:
        raise ValueError(f"no object of format {_FORMAT}")
    job = _JOB.validate_python(fields)
    if job.id != key:
        raise ValueError(f"it has the id {job.id!r}")
    return job


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
