"""Output that goes to a pipe as it is made: nothing of it can be taken back, read again, or gone on with later."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from vsr.errors import MachineError
from vsr.media.mux import SegmentFile
from vsr.media.mux_command import MuxJob
from vsr.media.mux_live import LiveMux
from vsr.media.packets import PacketTable, PacketTimes
from vsr.media.y4m import FRAME_MARK, header
from vsr.pipeline.assemble import mux_job
from vsr.pipeline.job import Job
from vsr.pipeline.raw_output import scanning
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.sidecar import SegmentPaths, SegmentResult, segment_key
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.worker import SegmentWorker

__all__ = ["PIPE_CONTAINERS", "PipeOutput", "PipeWriter", "open_output"]

PIPE_CONTAINERS = ("y4m", "mkv", "nut")
"""Containers that can be written without going back."""


class PipeWriter:
    """Bytes to a pipe, counted and digested."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._digest = hashlib.sha256()
        self.num_bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Write all of ``data``. Raises BrokenPipeError where the reader has gone, or `MachineError`."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._pipe.write(rest) :]
            self._pipe.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise MachineError(f"standard output cannot be written: {error.strerror or error}") from error
        self._digest.update(data)
        self.num_bytes += len(memoryview(data).cast("B"))

    @property
    def sha256(self) -> str:
        """Of all that was written."""
        return self._digest.hexdigest()


class PipeOutput(Protocol):
    """Takes the segments of a job in order."""

    def segment(
        self, worker: SegmentWorker, planned: PlannedSegment
    ) -> Generator[int, None, Callable[[], SegmentResult]]:
        """Make and write ``planned``; yields the number of images made so far. What is returned settles it."""
        ...

    def close(self) -> None:
        """Write the end."""
        ...


def open_output(job: Job, writer: PipeWriter, work: WorkFolder) -> AbstractContextManager[PipeOutput]:
    """The output for ``job``'s container; ``work`` is for what is written but a moment."""
    return _Y4mOutput(job, writer) if job.container == "y4m" else _MuxedOutput(job, writer, work)


class _Y4mOutput:
    """Each image is written as soon as it is restored."""

    def __init__(self, job: Job, writer: PipeWriter) -> None:
        self._job, self._writer = job, writer
        self._head = header(job.encoder, scanning(job.video, job.deinterlace, job.out_height))

    def __enter__(self) -> _Y4mOutput:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def segment(
        self, worker: SegmentWorker, planned: PlannedSegment
    ) -> Generator[int, None, Callable[[], SegmentResult]]:
        began = time.monotonic()
        sink = _Y4mSink(self._writer, self._head)
        self._head = b""
        findings = yield from worker.feed(planned, sink)
        result = SegmentResult(
            index=planned.segment.index,
            key=segment_key(self._job, planned),
            start=planned.segment.start,
            stop=planned.segment.stop,
            packets=PacketTable.of(sink.close()),
            digest=sink.sha256,
            seconds=round(time.monotonic() - began, 3),
            findings=findings.means(),
            curves=findings.curves(),
            worker=f"{socket.gethostname()}:{os.getpid()}",
        )
        return lambda: result

    def close(self) -> None:
        pass


class _Y4mSink:
    """A `vsr.media.encode.SegmentSink` that writes images as they are."""

    def __init__(self, writer: PipeWriter, head: bytes) -> None:
        self._writer = writer
        self._digest = hashlib.sha256()
        self._packets: list[PacketTimes] = []
        if head:
            writer.write(head)

    def write(self, planes: tuple[NDArray[np.generic], ...], pts: int) -> None:
        data = b"".join([FRAME_MARK, *(plane.tobytes() for plane in planes)])
        self._writer.write(data)
        self._digest.update(data)
        self._packets.append(PacketTimes(pts, True, len(data) - len(FRAME_MARK)))

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def close(self) -> list[PacketTimes]:
        return self._packets

    def abort(self) -> None:
        pass


class _MuxedOutput:
    """Segments are encoded as for a file, so that they are the same to the byte, and joined as each is finished."""

    def __init__(self, job: Job, writer: PipeWriter, work: WorkFolder) -> None:
        self._job, self._writer, self._work = job, writer, work
        self._mux: LiveMux | None = None

    def __enter__(self) -> _MuxedOutput:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._mux is not None:
            self._mux.__exit__(kind, error, at)

    def segment(
        self, worker: SegmentWorker, planned: PlannedSegment
    ) -> Generator[int, None, Callable[[], SegmentResult]]:
        finish = yield from worker.encode(planned)

        def resolve() -> SegmentResult:
            result = finish()
            paths = SegmentPaths.of(self._work.path, result.index, result.key)
            if self._mux is None:
                self._mux = LiveMux(self._plan(result.packets), self._writer.write)
            self._mux.add(SegmentFile(paths.media, result.packets))
            self._forget(paths.media, paths.sidecar)
            return result

        return resolve

    def close(self) -> None:
        if self._mux is not None:
            self._mux.close()

    def _plan(self, first: PacketTable) -> MuxJob:
        base = self._job.encoder.time_base
        start = int(first.pts.min()) * base
        last = max(1, round(1 / self._job.encoder.frame_rate / base))
        return mux_job(self._job, last_duration=last, shift=start if self._job.span else self._job.shift)

    @staticmethod
    def _forget(*paths: Path) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
