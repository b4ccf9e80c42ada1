"""A video from or to a pipe: one worker, in this process, while the other end is still at work.

The pipeline is that of files: the same scan, segments, restorer and encoder. What is read once is held in memory as
long as a segment may want it; what is written once leaves segment by segment, raw images one by one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vsr.distributed.in_process import restore_segments
from vsr.errors import InputError, Interrupted, MachineError, UsageError
from vsr.media.containers import holders
from vsr.media.ffmpeg import ffmpeg_version
from vsr.media.piped import HeldFrames, PipedVideo
from vsr.media.streams import StreamInfo
from vsr.media.y4m import count_off_rate
from vsr.overlap import Overlap
from vsr.pipeline.assemble import Assembled
from vsr.pipeline.checks import check_cover
from vsr.pipeline.job import Job
from vsr.pipeline.manifest import OutputFiles, describe_run
from vsr.pipeline.pipe_output import PipeOutput, PipeWriter, open_output
from vsr.pipeline.progress import Meter, OnProgress
from vsr.pipeline.request import Request
from vsr.pipeline.run import FileRun, as_learnt
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.seal import record_pieces
from vsr.pipeline.settings import Settings
from vsr.pipeline.sidecar import SegmentResult, write_atomically
from vsr.pipeline.source import SourcePass, SourceSummary
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.streams import Lost, loses_nothing, select_requested
from vsr.pipeline.worker import SegmentWorker, fix_threads
from vsr.timeline import parse_rate

__all__ = ["PIPE", "Piped", "open_piped", "plan_piped", "restore_piped"]

PIPE = "-"
"""What stands for standard input or standard output."""

_HELD_BYTES = 1 << 30  # of decoded frames, beyond those that a segment needs to be planned
_PLAN_AHEAD = 2
_RAW_SEGMENT_FRAMES = 24  # raw images do not show where segments end; short ones keep little in memory


@dataclass(frozen=True)
class Piped:
    """The two ends of a run; None where it is a file."""

    stdin: BinaryIO | None
    stdout: BinaryIO | None
    manifest: Path | None = None
    """Where the record of what went to ``stdout`` is written."""


def open_piped(request: Request, pipe: BinaryIO) -> PipedVideo:
    """What comes through ``pipe``, as the settings of ``request`` take it."""
    fps, stream = request.settings.fps, request.settings.video_stream
    return PipedVideo(pipe, None if fps is None else parse_rate(fps), stream)


def plan_piped(request: Request, video: PipedVideo | None, *, to_pipe: bool) -> Job:
    """The job of a ``request`` of which one end is a pipe. Raises what `Request.plan` raises, and `UsageError`."""
    job = request.plan() if video is None else _from_pipe(request, video)
    return _to_pipe(job) if to_pipe else job


def restore_piped(
    request: Request, ends: Piped, on_progress: OnProgress, on_plan: Callable[[Job], None] | None = None
) -> dict[str, Any]:
    """Carry out ``request``; its manifest. ``on_plan`` hears of the plan before any image is made.

    Raises a `vsr.errors.VsrError`, and BrokenPipeError where the reader of the output has gone.
    """
    try:
        with ExitStack() as stack:
            video = open_piped(request, ends.stdin) if ends.stdin is not None else None
            if video is not None:
                stack.callback(video.close)
            job = plan_piped(request, video, to_pipe=ends.stdout is not None)
            if on_plan is not None:
                on_plan(job)
            if ends.stdout is None:
                assert video is not None
                return _into_file(request, job, video, on_progress)
            return _into_pipe(request, job, video, ends.stdout, ends.manifest, on_progress)
    except KeyboardInterrupt as stop:
        kept = "what is finished is kept for the same input" if ends.stdout is None else "a pipe starts over"
        raise Interrupted(f"stopped; {kept}") from stop


def _from_pipe(request: Request, video: PipedVideo) -> Job:
    if request.span.start is not None:
        raise UsageError(
            "--start: a pipe is read from where it begins; leave out the beginning before it, or name the file"
        )
    lost = _find_lost(video.left_out)
    _refuse_lost(lost, request.settings)
    job = request.plan_piped(video.info)
    named = [f"{one.stream}: {one.reason}" for one in lost]
    named += ["chapters: they came through a pipe"] if video.num_chapters else []
    named += ["tags: a pipe's are not kept"] if video.info.metadata else []
    return replace(job, dropped=(*job.dropped, *named))


def _find_lost(streams: Iterable[StreamInfo]) -> list[Lost]:
    return [Lost(one, "it came through a pipe", holders(one)) for one in streams]


def _refuse_lost(lost: Sequence[Lost], settings: Settings) -> None:
    if not (asked := select_requested(lost, settings)):
        return
    names = ", ".join(str(one.stream) for one in asked)
    why = f", and {loses_nothing(settings)}" if all(one.may_go for one in asked) else ""
    raise UsageError(
        f"standard input: {names} cannot be kept from a pipe{why}; name the file instead, or give --drop-streams "
        "to leave it out"
    )


def _refuse_late(video: PipedVideo, settings: Settings) -> None:
    """Refuse, as soon as they are met, streams that the first bytes did not show."""
    _refuse_lost(_find_lost(video.late), settings)
    if video.num_later and not settings.drop_streams:
        raise UsageError(
            "standard input: holds streams that begin later than FFmpeg looks for them, which cannot be kept from a "
            "pipe; name the file instead, or give --drop-streams to leave them out"
        )


def _as_read(job: Job, video: PipedVideo) -> Job:
    """``job`` with what is known of its source once all of it was read."""
    late = (f"{one.stream}: {one.reason}" for one in _find_lost(video.late))
    return replace(job, info=replace(job.info, size_bytes=video.size_bytes), dropped=(*job.dropped, *late))


def _to_pipe(job: Job) -> Job:
    """A file's other streams go along whole or not at all: where a part of the video ends is not known in time."""
    if not job.span or not job.copied:
        return job
    lost = (f"{one}: a part of a video goes to a pipe without it" for one in job.copied)
    return replace(job, copied=(), dropped=(*job.dropped, *lost))


def _into_file(request: Request, job: Job, video: PipedVideo, on_progress: OnProgress) -> dict[str, Any]:
    run = FileRun(job, work_base=request.work_base, overwrite=request.overwrite, on_progress=on_progress)
    run.open()
    try:
        with ExitStack() as stack:
            source, worker, planned = _stages(stack, job, video, run.work, run.meter, None)
            results = restore_segments(worker, run.meter, planned)
            summary = _resolve(source, video)
            run.job = _as_read(job, video)
            return run.finish(results, summary)
    except BaseException:
        run.abandon()
        raise


def _into_pipe(
    request: Request,
    job: Job,
    video: PipedVideo | None,
    stdout: BinaryIO,
    manifest: Path | None,
    on_progress: OnProgress,
) -> dict[str, Any]:
    ffmpeg_version()
    started, began, meter = datetime.now(UTC), time.monotonic(), Meter(job, on_progress)
    writer = PipeWriter(stdout)
    with ExitStack() as stack:
        folder = stack.enter_context(_scratch(request.work_base))
        work = WorkFolder(Path(folder))
        longest = _RAW_SEGMENT_FRAMES if job.container == "y4m" else None
        source, worker, planned = _stages(stack, job, video, work, meter, longest)
        output = stack.enter_context(open_output(job, writer, work))
        results = list(_write(output, worker, _in_step(planned, job, source), meter))
        output.close()
        summary = _resolve(source, video)
    job = as_learnt(job, summary)
    check_cover(job, results, summary.num_frames)
    if video is not None:
        job = _as_read(job, video)
    record = describe_run(
        job,
        OutputFiles(PIPE, writer.num_bytes, {PIPE: writer.sha256}),
        source=summary,
        results=results,
        assembled=_assemble(job, results),
        checksums={},
        started=started,
        seconds=time.monotonic() - began,
    )
    if manifest is not None:
        try:
            write_atomically(manifest, record_pieces(record))
        except OSError as error:
            raise MachineError(f"{manifest}: cannot be written ({error.strerror or error})") from error
    meter.tell("done")
    return record


def _scratch(base: Path | None) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="vsr-pipe-", dir=base)
    except OSError as error:
        raise MachineError(f"cannot make a folder in {base or tempfile.gettempdir()}: {error.strerror}") from error


def _stages(
    stack: ExitStack, job: Job, video: PipedVideo | None, work: WorkFolder, meter: Meter, longest: int | None
) -> tuple[SourcePass, SegmentWorker, Iterator[PlannedSegment]]:
    """Scan and worker, side by side until ``stack`` is left."""
    fix_threads(job)
    if video is None:
        source = stack.enter_context(SourcePass(job, None, longest))
        ahead = stack.enter_context(Overlap(_plan(source, meter), _PLAN_AHEAD, "scan"))
        worker = SegmentWorker(job, work)
        stack.callback(worker.close)
        return source, worker, ahead
    held = HeldFrames(_HELD_BYTES)
    source = stack.enter_context(
        SourcePass(job, lambda threads, damage: held.hold(video.scan(threads, damage)), longest)
    )
    ahead = stack.enter_context(Overlap(_plan(source, meter), _PLAN_AHEAD, "scan"))
    stack.callback(held.close)  # ahead of the scan's end, which may wait for room or for the pipe
    stack.callback(video.close)
    return source, SegmentWorker(job, work, held), _watch(_release(ahead, held), video, job.settings)


def _plan(source: SourcePass, meter: Meter) -> Iterator[PlannedSegment]:
    yield from source.segments()
    meter.planned(source.num_frames)


def _in_step(segments: Iterator[PlannedSegment], job: Job, source: SourcePass) -> Iterator[PlannedSegment]:
    """The same segments, as long as copied sound keeps step: where a clock jumps, it is moved in whole files alone."""
    for planned in segments:
        if job.copied and source.damage.timelines:
            raise InputError(
                f"{job.info.path}: its clock jumps at frame {source.damage.timelines[0].ordinal}, and sound that "
                "leaves at once would lose step; name a file as output, or give --container y4m"
            )
        yield planned


def _release(segments: Iterator[PlannedSegment], held: HeldFrames) -> Iterator[PlannedSegment]:
    """The same segments; frames that only earlier ones needed are dropped.

    The frames of the shot's calibration stay: the method needs them at the first segment that is made, which is not
    the shot's first where finished segments are reused.
    """
    while True:
        held.want_more(True)
        planned = next(segments, None)
        held.want_more(False)
        if planned is None:
            return
        spared = {frame.ordinal for record in planned.calibration for frame in record.sources}
        held.forget_before(planned.records[0].sources[0].ordinal, spared)
        yield planned


def _watch(segments: Iterator[PlannedSegment], video: PipedVideo, settings: Settings) -> Iterator[PlannedSegment]:
    """The same segments, as long as no stream comes to light that may not be lost unasked."""
    for planned in segments:
        _refuse_late(video, settings)
        yield planned
    _refuse_late(video, settings)


def _write(
    output: PipeOutput, worker: SegmentWorker, segments: Iterable[PlannedSegment], meter: Meter
) -> Iterator[SegmentResult]:
    """Every segment made and written, in order; one is drained while the next is being made."""
    last: Future[SegmentResult] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="finish") as pool:
        for planned in segments:
            with closing(output.segment(worker, planned)) as making:
                while True:
                    try:
                        meter.frame(planned.segment.index, next(making))
                    except StopIteration as end:
                        resolve = end.value
                        break
            if last is not None:
                yield _count(last.result(), meter)
            last = pool.submit(resolve)
        if last is not None:
            yield _count(last.result(), meter)


def _count(result: SegmentResult, meter: Meter) -> SegmentResult:
    meter.segment(result.index, len(result.packets), result.reused)
    return result


def _resolve(source: SourcePass, video: PipedVideo | None) -> SourceSummary:
    summary = source.summary()
    return summary if video is None else replace(summary, sha256=video.sha256, num_late_streams=video.num_later)


def _assemble(job: Job, results: Sequence[SegmentResult]) -> Assembled:
    pts = np.concatenate([np.sort(result.packets.pts) for result in results])
    start = int(pts[0]) * job.encoder.time_base
    if job.container == "y4m":
        off_rate = count_off_rate(pts, job.encoder.time_base, job.encoder.frame_rate)
        return Assembled(len(pts), start, Fraction(0), not off_rate, (), None, off_rate)
    return Assembled(len(pts), start if job.span else job.shift, None, _is_exact(job), (), None)


def _is_exact(job: Job) -> bool:
    """Whether the container's clock holds every tick: NUT takes the video's own, Matroska counts milliseconds."""
    return job.container == "nut" or (job.encoder.time_base * 1000).denominator == 1
