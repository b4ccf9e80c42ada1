"""How far a run is, counted from images and segments."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vsr.pipeline.job import Job

__all__ = ["Meter", "OnProgress", "Pace", "Progress", "Stage"]

_LEAST_SECONDS = 10.0  # that a pace is measured over, where there are so many
_DAMPING_SECONDS = 30.0  # in which an estimate follows a new pace by two thirds

Stage = Literal["restoring", "assembling", "verifying", "done"]


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    stage: Stage
    path: str | Path
    """The input; a URL if it is one."""
    frames_done: int
    """Output images finished, those found finished included."""
    frames_total: int | None
    """Output images expected; an estimate while ``total_is_exact`` is False."""
    total_is_exact: bool
    fps: float
    """Images a second of this run's own work, over the later half of the time since its first image."""
    eta_seconds: float | None
    """Damped; None until a pace is known."""
    left_out: tuple[str, ...] = ()
    """What the output does not hold of the input, in words; known from the first report on."""
    frames_reused: int = 0
    """Of the images finished, those that an earlier run has made."""
    plan: tuple[str, ...] = ()
    """What is being made, in two lines."""
    segments_done: int = 0
    """Segments that this run itself has finished."""


OnProgress = Callable[[Progress], None]


class Pace:
    """How fast something is counted, and how long the rest will take, without jumps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: deque[tuple[float, int]] = deque()
        self._first: float | None = None
        self._estimate: tuple[float, float] | None = None  # when an estimate was given, and what it was

    def count(self, done: int) -> None:
        """So many are done by now. Time counts from the first one: what comes before it is done once."""
        now = self._clock()
        if not done:
            return
        if self._first is None:
            self._first = now
        if self._counts and self._counts[-1][1] == done:
            return
        self._counts.append((now, done))
        horizon = max(_LEAST_SECONDS, (now - self._first) / 2)
        while len(self._counts) > 2 and now - self._counts[1][0] >= horizon:
            self._counts.popleft()

    @property
    def per_second(self) -> float:
        """Over the later half of the time; 0 until two were counted at different times."""
        if len(self._counts) < 2:
            return 0.0
        (began, before), (ended, done) = self._counts[0], self._counts[-1]
        return (done - before) / (ended - began) if ended > began else 0.0

    def remaining(self, left: int) -> float | None:
        """Seconds until ``left`` more are done. An estimate given before runs down, and only drifts to a new one."""
        rate, now = self.per_second, self._clock()
        if not rate:
            return None
        fresh = left / rate
        if self._estimate is not None:
            then, estimate = self._estimate
            share = min(1.0, (now - then) / _DAMPING_SECONDS)
            fresh = max(0.0, estimate - (now - then)) * (1 - share) + fresh * share
        self._estimate = (now, fresh)
        return fresh


def _brief(job: Job) -> tuple[str, str]:
    """The plan in two lines."""
    video, encoder = job.video, job.encoder
    size = f"{video.width}x{video.height} → {job.out_width}x{job.out_height}"
    codec = f"{encoder.codec.name} {encoder.layout.name}"
    kinds = dict.fromkeys(stream.kind for stream in job.copied)
    beside = f", with {', '.join(kinds)}" if kinds else ""
    return (
        f"{size} by {job.settings.method} on {job.device} ({job.evidence})",
        f"{codec}{beside} → {job.output_url or job.output}",
    )


@dataclass
class Meter:
    """Counts the images of one file and turns them into `Progress`."""

    job: Job
    report: OnProgress
    total: int | None = None
    exact: bool = False
    finished: int = 0
    reused: int = 0
    segments: int = 0
    running: dict[int, int] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        estimate = self.job.video.num_frames_from_header * self.job.images_per_frame
        self.total = None if self.job.span else estimate or None

    def planned(self, num_frames: int) -> None:
        """All segments are known: they hold ``num_frames`` source frames."""
        self.total, self.exact = num_frames * self.job.images_per_frame, True

    def frame(self, index: int, count: int) -> None:
        """Segment ``index`` has ``count`` images so far."""
        self.running[index] = count
        self.tell("restoring")

    def segment(self, index: int, num_images: int, reused: bool) -> None:
        """A segment is finished, or was found finished."""
        self.running.pop(index, None)
        self.finished += num_images
        if reused:
            self.reused += num_images
        else:
            self.segments += 1
        self.tell("restoring")

    def lost(self, index: int) -> None:
        """What was done of segment ``index`` is gone."""
        self.running.pop(index, None)

    def tell(self, stage: Stage) -> None:
        """Report how far it is."""
        done = self.finished + sum(self.running.values())
        self.pace.count(done - self.reused)
        total = None if self.total is None else max(self.total, done)
        eta = self.pace.remaining(total - done) if total is not None else None
        path, fps = self.job.source_url or self.job.info.path, self.pace.per_second
        known = (self.job.dropped, self.reused, _brief(self.job), self.segments)
        self.report(Progress(stage, path, done, total, self.exact, fps, eta, *known))
