"""How far a run is, counted from pictures and segments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vsr.pipeline.job import Job

__all__ = ["Meter", "OnProgress", "Progress", "Stage"]

Stage = Literal["restoring", "assembling", "verifying", "done"]


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    stage: Stage
    path: str | Path
    """The input; a URL if it is one."""
    frames_done: int
    """Output pictures finished, those found finished included."""
    frames_total: int | None
    """Output pictures expected; an estimate while ``total_is_exact`` is False."""
    total_is_exact: bool
    fps: float
    """Pictures a second of this run's own work."""
    eta_seconds: float | None
    left_out: tuple[str, ...] = ()
    """What the output does not hold of the input, in words; known from the first report on."""


OnProgress = Callable[[Progress], None]


@dataclass
class Meter:
    """Counts the pictures of one file and turns them into `Progress`."""

    job: Job
    report: OnProgress
    total: int | None = None
    exact: bool = False
    began: float = field(default_factory=time.monotonic)
    finished: int = 0
    reused: int = 0
    running: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        estimate = self.job.video.num_frames_from_header * self.job.pictures_per_frame
        self.total = None if self.job.span else estimate or None

    def planned(self, num_frames: int) -> None:
        """All segments are known: they hold ``num_frames`` source frames."""
        self.total, self.exact = num_frames * self.job.pictures_per_frame, True

    def frame(self, index: int, count: int) -> None:
        """Segment ``index`` has ``count`` pictures so far."""
        self.running[index] = count
        self.tell("restoring")

    def segment(self, index: int, num_pictures: int, reused: bool) -> None:
        """A segment is finished, or was found finished."""
        self.running.pop(index, None)
        self.finished += num_pictures
        if reused:
            self.reused += num_pictures
        self.tell("restoring")

    def lost(self, index: int) -> None:
        """What was done of segment ``index`` is gone."""
        self.running.pop(index, None)

    def tell(self, stage: Stage) -> None:
        """Report how far it is."""
        done = self.finished + sum(self.running.values())
        own = done - self.reused
        elapsed = time.monotonic() - self.began
        fps = own / elapsed if elapsed > 0 else 0.0
        total = None if self.total is None else max(self.total, done)
        eta = (total - done) / fps if total is not None and fps > 0 else None
        path = self.job.source_url or self.job.info.path
        self.report(Progress(stage, path, done, total, self.exact, fps, eta, self.job.dropped))
