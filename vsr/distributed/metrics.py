"""What a run on Ray's workers counts in Ray's own metrics, which Prometheus reads at the node of the driver.

Ray puts ``ray_`` before the names. Nothing is counted twice: what a lost worker had made is made again, and not again
counted.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.util.metrics import Counter, Gauge, Histogram

from vsr.distributed.dispatch import Task, WorkerInfo
from vsr.distributed.files import Files
from vsr.distributed.work import Beat, Receipt
from vsr.pipeline.executor import OnOutcome
from vsr.pipeline.objects import is_url
from vsr.pipeline.request import Outcome

__all__ = ["Measured", "counted"]

_TICK_SECONDS = 1.0
_FRAME_SECONDS = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]


@dataclass
class _Making:
    """A segment that is being made."""

    began: float | None
    """Of this attempt; None until its worker is ready."""
    frames: int = 0
    """That were counted, in this attempt or one before."""


class Measured:
    """Passes all on to the files of a batch, and counts it; see `vsr.distributed.dispatch.Workload`."""

    def __init__(self, files: Files, clock: Callable[[], float] = time.monotonic) -> None:
        self._files, self._clock = files, clock
        self._making: dict[Task, _Making] = {}
        self._ticked = float("-inf")
        self._frames = Counter("vsr_frames", "Output frames that were made; those found finished are left out.")
        self._segments = Counter("vsr_segments", "Segments that were made; those found finished are left out.")
        self._retries = Counter("vsr_retries", "Attempts that failed and are made again.")
        self._failures = Counter("vsr_failures", "Segments and passes that failed for good.")
        self._frame_seconds = Histogram(
            "vsr_frame_seconds", "Seconds an output frame on one worker, by segments.", boundaries=_FRAME_SECONDS
        )
        self._waiting = Gauge("vsr_segments_waiting", "Segments that are known and wait for a worker.")
        self._running = Gauge("vsr_segments_running", "Segments that are being made.")
        self._open = Gauge("vsr_files_open", "Inputs that are not finished.")

    def next_task(self, worker: WorkerInfo, num_workers: int) -> Task | None:
        """See `vsr.distributed.dispatch.Workload`."""
        return self._files.next_task(worker, num_workers)

    def item(self, task: Task, item: Any) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        subject = self._files.subject(task)
        self._files.item(task, item)
        if subject != "segment":
            return
        if isinstance(item, Beat):
            making = self._making.setdefault(task, _Making(None))
            making.began = self._clock() if making.began is None else making.began
            self._count(making, item.images)
        elif isinstance(item, Receipt):
            making = self._making.pop(task, _Making(None))
            if item.reused:
                return
            self._count(making, item.num_images)
            self._segments.inc()
            if making.began is not None and item.num_images:
                self._frame_seconds.observe((self._clock() - making.began) / item.num_images)

    def _count(self, making: _Making, frames: int) -> None:
        if frames > making.frames:
            self._frames.inc(frames - making.frames)
            making.frames = frames

    def retry(self, task: Task) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        self._files.retry(task)
        self._retries.inc()
        if task in self._making:
            self._making[task].began = None

    def failed(self, task: Task) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        if self._files.subject(task) is not None:
            self._failures.inc()
        self._files.failed(task)
        self._making.pop(task, None)

    def tick(self) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        self._files.tick()
        now = self._clock()
        if now - self._ticked >= _TICK_SECONDS or self._files.is_finished():
            self._ticked = now
            self._waiting.set(self._files.num_waiting)
            self._running.set(sum(making.began is not None for making in self._making.values()))
            self._open.set(self._files.num_open)

    def is_finished(self) -> bool:
        """See `vsr.distributed.dispatch.Workload`."""
        return self._files.is_finished()

    def unfit(self, kinds: set[str]) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        self._files.unfit(kinds)


def counted(on_outcome: OnOutcome) -> OnOutcome:
    """The same, which also counts outcomes and the bytes of outputs that are on this machine."""
    finished = Counter("vsr_files", "Inputs that are finished, by outcome.", tag_keys=("outcome",))
    written = Counter("vsr_output_bytes", "Bytes of finished outputs on the driver's machine.")

    def tell(outcome: Outcome) -> None:
        finished.inc(tags={"outcome": "done" if outcome.error is None else "failed"})
        if outcome.error is None and not is_url(outcome.output):
            with contextlib.suppress(OSError):  # it may have been moved already
                if size := Path(outcome.output).stat().st_size:
                    written.inc(size)
        on_outcome(outcome)

    return tell
