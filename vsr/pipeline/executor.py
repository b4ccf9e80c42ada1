"""How segments get made: the contract between a run and whatever does the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from vsr.pipeline.job import Job
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.sidecar import SegmentResult

__all__ = ["Executor", "OnFrame"]

OnFrame = Callable[[int, int], None]
"""Told ``(segment index, pictures of it encoded so far)``."""


class Executor(Protocol):
    """Makes the segments of a job, on this machine or others."""

    def run(
        self, job: Job, work: Path, segments: Iterable[PlannedSegment], on_frame: OnFrame
    ) -> Iterator[SegmentResult]:
        """A result for every segment, in any order, as they are finished.

        ``segments`` may still be growing while it is read. What is already finished in ``work`` is reused.
        The first error ends the run; finished segments stay in ``work``.
        """
        ...
