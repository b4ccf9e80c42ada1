"""One file from start to end: checks, scan and work side by side, assembly, manifest, clean-up."""

from __future__ import annotations

import concurrent.futures
import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from vsr.errors import DamageError, InputError, MachineError, UsageError, WorkFolderBusy
from vsr.media.decode import Damage
from vsr.media.images import is_numbered
from vsr.media.inspect import StreamDigest, digest_streams
from vsr.media.reading import scan
from vsr.pipeline.assemble import assemble, image_folder
from vsr.pipeline.executor import Executor
from vsr.pipeline.job import Job
from vsr.pipeline.manifest import write_manifest
from vsr.pipeline.overlap import Overlap
from vsr.pipeline.scan import PlannedSegment, PlanRules, plan_segments
from vsr.pipeline.sidecar import SegmentResult, file_digest
from vsr.pipeline.worker import chain_frames, fix_threads, halo_frames, survey_frames

__all__ = ["OnProgress", "Progress", "check_output", "run_job", "work_folder"]

_log = logging.getLogger(__name__)
_PLAN_AHEAD = 32


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    stage: Literal["restoring", "assembling", "verifying", "done"]
    path: Path
    """The input."""
    frames_done: int
    """Output pictures finished, those found finished included."""
    frames_total: int | None
    """Output pictures expected; an estimate while ``total_is_exact`` is False."""
    total_is_exact: bool
    fps: float
    """Pictures a second of this run's own work."""
    eta_seconds: float | None


OnProgress = Callable[[Progress], None]


@dataclass
class _Meter:
    """Counts pictures and turns them into `Progress`."""

    job: Job
    report: OnProgress
    total: int | None
    exact: bool = False
    began: float = field(default_factory=time.monotonic)
    finished: int = 0
    reused: int = 0
    running: dict[int, int] = field(default_factory=dict)

    def frame(self, index: int, count: int) -> None:
        self.running[index] = count
        self.tell("restoring")

    def segment(self, result: SegmentResult) -> None:
        self.running.pop(result.index, None)
        self.finished += len(result.packets)
        if result.reused:
            self.reused += len(result.packets)
        self.tell("restoring")

    def tell(self, stage: Any) -> None:
        done = self.finished + sum(self.running.values())
        own = done - self.reused
        elapsed = time.monotonic() - self.began
        fps = own / elapsed if elapsed > 0 else 0.0
        total = None if self.total is None else max(self.total, done)
        eta = (total - done) / fps if total is not None and fps > 0 else None
        self.report(Progress(stage, self.job.info.path, done, total, self.exact, fps, eta))


def check_output(job: Job, overwrite: bool) -> None:
    """Refuse what cannot be written before any work. Raises `UsageError` or `MachineError`."""
    images = job.encoder.codec.kind == "images"
    if images and not is_numbered(job.output):
        raise UsageError(
            f"{job.output}: an image sequence needs a number in its name, for example "
            f"{job.output.stem}/%06d{job.output.suffix}"
        )
    if images:
        try:
            job.output.name % 1
        except (TypeError, ValueError) as error:
            raise UsageError(f"{job.output.name}: is no numbered name; write it like %06d.png") from error
    place = image_folder(job) if images else job.output
    folder = place.parent
    if not folder.is_dir():
        raise MachineError(f"output folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise MachineError(f"output folder {folder} is not writable")
    source = job.info.path
    if job.output.exists() and source.exists() and job.output.samefile(source):
        raise UsageError(f"output {job.output} is the input; name another file")
    if images and job.info.images and place.exists() and place.resolve() == job.info.images[0].parent.resolve():
        raise UsageError(f"output folder {place} is the input; name another folder")
    occupied = any(place.iterdir()) if place.is_dir() else place.exists()
    if occupied and not overwrite:
        raise UsageError(f"{place} exists; give --overwrite to replace it")
    if not images and place.is_dir():
        raise UsageError(f"output {place} is a folder; name a file, or end it with / to fill it")


def work_folder(job: Job, base: Path | None) -> Path:
    """Where segments are kept until the output is whole: beside it, or a folder of its own in ``base``."""
    place = image_folder(job) if job.encoder.codec.kind == "images" else job.output
    if base is None:
        return place.with_name(f".{place.name}.vsr-work")
    tag = hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:8]  # same name in other folders
    return base / f"{place.name}-{tag}.vsr-work"


def run_job(
    job: Job, executor: Executor, *, work_base: Path | None, overwrite: bool, on_progress: OnProgress
) -> dict[str, Any]:
    """Restore one file; returns its manifest.

    A run that was stopped at any point goes on where it was: finished segments are kept in the work folder until
    the output is complete. Raises a `VsrError`; then the output's name is as it was before.
    """
    check_output(job, overwrite)
    work = work_folder(job, work_base)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot make work folder {work}: {error.strerror}") from error
    lock = FileLock(work / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise WorkFolderBusy(f"another run is at work on {job.output} (work folder {work})") from error
    try:
        _clear_attempts(work)
        manifest = _run(job, executor, work, on_progress)
    except BaseException:
        _clear_attempts(work)
        lock.release()
        _remove_if_empty(work)
        raise
    lock.release()
    shutil.rmtree(work, ignore_errors=True)
    return manifest


def _clear_attempts(work: Path) -> None:
    """Remove what stopped runs left half-written; we hold the lock, so nobody is writing."""
    for leftover in work.glob("*.tmp"):
        leftover.unlink(missing_ok=True)
    for leftover in work.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def _remove_if_empty(work: Path) -> None:
    if not any(work.glob("segment-*.json")):
        shutil.rmtree(work, ignore_errors=True)


def _run(job: Job, executor: Executor, work: Path, on_progress: OnProgress) -> dict[str, Any]:
    began = time.monotonic()
    fix_threads(job)
    each = job.pictures_per_frame
    estimate = job.video.num_frames_from_header * each or None
    meter = _Meter(job, on_progress, None if job.span else estimate)
    damage = Damage()
    counter = _Counter()
    results: list[SegmentResult] = []
    with _SourceDigests(job) as source:
        with Overlap(_plan(job, damage, counter, meter), _PLAN_AHEAD, "scan") as planned:
            for result in executor.run(job, work, planned, meter.frame):
                results.append(result)
                meter.segment(result)
        if not results:
            raise InputError(f"{job.info.path}: no frame lies between --start and --end")
        if job.settings.strict and damage.total:
            raise DamageError(f"{job.info.path}: {_damage_words(damage)}; without --strict it is concealed and counted")
        assembled = assemble(job, work, results, counter.frames, source.streams, meter.tell)
        manifest = write_manifest(
            job,
            input_digest=source.file(),
            input_streams=source.streams(),
            damage=damage,
            interlaced_frames=counter.interlaced,
            results=results,
            assembled=assembled,
            seconds=time.monotonic() - began,
        )
    meter.tell("done")
    return manifest


class _SourceDigests:
    """Digests of the source, taken in the background while the work goes on."""

    def __init__(self, job: Job) -> None:
        self._stop = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="digest")
        whole = None if job.info.images else job.info.path
        parts = job.info.streams_path or whole
        self._file = self._pool.submit(file_digest, whole, self._stop) if whole is not None else None
        self._streams = self._pool.submit(digest_streams, parts, self._stop) if parts is not None else None

    def __enter__(self) -> _SourceDigests:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def file(self) -> str | None:
        """SHA-256 of the file; None for an image sequence. Waits until it is known."""
        return self._file.result() if self._file is not None else None

    def streams(self) -> Sequence[StreamDigest]:
        """Digests of the streams that may be copied. Waits until they are known."""
        return self._streams.result() if self._streams is not None else ()


@dataclass
class _Counter:
    """What was planned so far."""

    frames: int = 0
    interlaced: int = 0
    """Frames that the decoder calls interlaced."""


def _plan(job: Job, damage: Damage, counter: _Counter, meter: _Meter) -> Iterator[PlannedSegment]:
    """The segments, counted; stops at damage where that is asked for."""
    rules = PlanRules(
        segment_frames=job.settings.segment_frames,
        halo_frames=halo_frames(job),
        chain_frames=chain_frames(job),
        survey_frames=survey_frames(job),
        cut_threshold=job.settings.cut_threshold,
        span=job.span,
        origin=job.info.start,
        time_base=job.video.time_base,
    )
    for planned in plan_segments(scan(job.info, job.settings.decoder_threads, damage), rules):
        if job.settings.strict and damage.total:
            raise DamageError(f"{job.info.path}: {_damage_words(damage)}; without --strict it is concealed and counted")
        counter.frames += planned.segment.num_frames
        counter.interlaced += sum(record.interlaced for record in planned.core)
        yield planned
    meter.total, meter.exact = counter.frames * job.pictures_per_frame, True


def _damage_words(damage: Damage) -> str:
    parts = [
        (damage.decode_errors, "packets could not be decoded"),
        (damage.corrupt_frames, "frames are damaged"),
        (damage.read_errors, "places could not be read"),
    ]
    first = f" (first: {damage.events[0]})" if damage.events else ""
    return ", ".join(f"{count} {what}" for count, what in parts if count) + first
