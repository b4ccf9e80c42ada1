"""One file's run: the right to its work folder, its results, and the output they become."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vsr.errors import MachineError, UsageError, WorkFolderBusy
from vsr.media.ffmpeg import ffmpeg_version
from vsr.media.images import is_numbered, is_single_image, place_of
from vsr.pipeline.assemble import assemble, partial_path
from vsr.pipeline.beside import HIDDEN, arrange, unexpected_beside
from vsr.pipeline.chain import checksum_paths, write_checksums
from vsr.pipeline.job import Job
from vsr.pipeline.kept import check_kept, find_kept_url, keep_packets, remove_former
from vsr.pipeline.lease import Lease
from vsr.pipeline.manifest import manifest_path, write_manifest
from vsr.pipeline.objects import find_object, is_same_object, is_url, join_url, split_url, upload
from vsr.pipeline.progress import Meter, OnProgress
from vsr.pipeline.publishing import created_concurrently, is_output_of, refuse_special, unexpected_files
from vsr.pipeline.rehearsal import leave_out
from vsr.pipeline.request import Request, at_hand
from vsr.pipeline.sidecar import SegmentPaths, SegmentResult
from vsr.pipeline.source import SourceSummary
from vsr.pipeline.storage import WorkFolder, local_place
from vsr.pipeline.streams import find_kept_path

__all__ = ["FileRun", "as_learnt", "check_output", "clear_left", "work_folder"]

_log = logging.getLogger(__name__)


def check_output(job: Job, overwrite: bool, work: WorkFolder | None = None) -> None:
    """Refuse what cannot be written before any work. Raises `UsageError` or `MachineError`.

    ``work`` is the run's work folder: what a run left that was killed between its output and its manifest may be
    replaced.
    """
    ffmpeg_version()  # without it the output cannot be put together, which is done last
    if job.output_url is not None:
        if job.settings.sidecars == "folder":
            raise UsageError(f"{job.output_url}: object stores hide nothing; leave out --sidecars folder")
        if is_numbered(job.output):
            raise UsageError(
                f"{job.output_url}: image sequences go to a folder of this machine, not to an object store; one image "
                f"does: --at 120 -o {join_url(split_url(job.output_url)[0], 'frame' + job.output.suffix)}"
            )
        if is_single_image(job.output):
            _check_single(job)
        if job.source_url is not None and is_same_object(job.source_url, job.output_url):
            raise UsageError(f"output {job.output_url} is the input; name another object")
        if not overwrite and find_object(job.output_url) is not None:
            raise UsageError(f"{job.output_url} exists; give --overwrite to replace it")
        check_kept(job, overwrite, work)
        return
    images = is_numbered(job.output)
    if is_single_image(job.output):
        _check_single(job)
    if images:
        try:
            job.output.name % 1
        except (TypeError, ValueError) as error:
            raise UsageError(f"{job.output.name}: is not a numbered name; write it like %06d.png") from error
    place = place_of(job.output)
    folder = place.parent
    if job.settings.sidecars == "folder" and (stranger := unexpected_beside(job.output)):
        raise UsageError(
            f"{folder / stranger}: is not of vsr, which would put its files into {folder / HIDDEN}; move it, or leave "
            "out --sidecars folder"
        )
    if not folder.is_dir():
        raise MachineError(f"output folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise MachineError(f"output folder {folder} is not writable")
    _check_length(job, folder)
    source = job.info.path
    if job.output.exists() and source.exists() and job.output.samefile(source):
        raise UsageError(f"output {job.output} is the input; name another file")
    refuse_special(place, f"write to standard output and lead that there: -o - --container y4m|mkv|nut > {place}")
    if images and place.exists():
        _check_folder(job, place)
    occupied = any(place.iterdir()) if place.is_dir() else place.exists()
    is_left = work is not None and not manifest_path(job.output).exists() and is_output_of(work, place)
    if occupied and not overwrite and not is_left:
        raise UsageError(f"{place} exists; give --overwrite to replace it")
    if not images and place.is_dir():
        raise UsageError(f"output {place} is a folder; name a file, or end it with / to fill it")
    check_kept(job, overwrite, work)


def _check_single(job: Job) -> None:
    """One image can be named where one is made. Raises `UsageError`."""
    start, stop = job.span.start, job.span.stop
    one_of_many = isinstance(start, int) and isinstance(stop, int) and stop == start + 1
    is_one = job.num_frames_from_header == 1 or is_single_image(job.info.path) or job.info.container == "webp_pipe"
    if not (one_of_many or (not job.span and is_one)):
        raise UsageError(
            f"{job.output}: is one image, and the video has more; name the frame (--at 12.5s), or give all of them "
            f"numbers: {job.output.stem}/%06d{job.output.suffix}"
        )
    if job.images_per_frame > 1:
        raise UsageError(f"{job.output}: two images are made of the frame; give --deinterlace frame to have one")


def _check_length(job: Job, folder: Path) -> None:
    """The names of all files that come to lie beside the output are short enough."""
    beside = [*checksum_paths(job.output), manifest_path(job.output), partial_path(job)]
    if job.kept:
        beside.append(find_kept_path(job.output))
    excess = max(len(os.fsencode(path.name)) for path in beside) - os.pathconf(folder, "PC_NAME_MAX")
    if excess > 0:
        raise UsageError(
            f"{job.output.name}: the names of what lies beside it would be {excess} bytes too long; shorten it"
        )


def _check_folder(job: Job, place: Path) -> None:
    """A folder of images is replaced whole, so it must hold nothing else, nor be where we stand. `UsageError`."""
    inputs = [job.info.path, *job.info.images[:1]]
    if any(place.resolve() in path.resolve().parents for path in inputs):
        raise UsageError(f"output folder {place} holds the input; name another folder")
    if place.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise UsageError(f"output folder {place} is the current one or holds it; name one inside, like frames/%06d.png")
    if place.is_symlink():
        raise UsageError(f"output folder {place} is a symbolic link; name {place.resolve()}, to which it leads")
    if not place.is_dir():
        return
    unexpected = unexpected_files(place, job.output.suffix)
    if unexpected:
        raise UsageError(f"output folder {place} holds other things ({unexpected[0]}); name another folder")


def work_folder(job: Job, base: Path | None) -> WorkFolder:
    """Where segments are kept until the output is whole: beside it, or a folder of its own in ``base``."""
    return _work_folder(place_of(job.output), job.output_url, base)


def _work_folder(place: Path, url: str | None, base: Path | None) -> WorkFolder:
    if base is not None:
        tag = hashlib.sha256((url or str(place.resolve())).encode()).hexdigest()[:8]  # same name elsewhere
        return WorkFolder(base / f"{place.name}-{tag}.vsr-work")
    beside = place.with_name(f".{place.name}.vsr-work")
    if url is None:
        return WorkFolder(beside)
    return WorkFolder(url=join_url(split_url(url)[0], beside.name))


def clear_left(request: Request, manifest: Mapping[str, Any]) -> None:
    """Remove the work folder of an output that is whole, which its run left if it was killed before it could.

    One that holds segments of another run, with other settings, stays.
    """
    url = str(request.output) if is_url(request.output) else None
    output = Path(split_url(url)[1] if url is not None else os.path.abspath(request.output))
    work = _work_folder(place_of(output), url, request.work_base)
    try:
        if not work.is_there():
            return
        made = {SegmentPaths.of(work.path, one["index"], one["key"]).sidecar.name for one in manifest["segments"]}
        lease = Lease(work, str(request.output))
        lease.acquire()
        try:
            if made.issuperset(work.sidecars()):
                work.remove()
        finally:
            lease.release()
    except (MachineError, WorkFolderBusy, OSError) as error:  # the output is whole all the same
        _log.warning("%s", error)


def _bytes(number: int) -> str:
    return "1 byte" if number == 1 else f"{number} bytes"


def _streams(number: int) -> str:
    return "1 stream that begins" if number == 1 else f"{number} streams that begin"


def as_learnt(job: Job, source: SourceSummary) -> Job:
    """``job`` as the pass over its source has shown that it must be. Raises `UsageError` where it may not be so."""
    job = leave_out(job, source.refused)
    if source.num_late_streams:
        late = f"{_streams(source.num_late_streams)} later than FFmpeg looks for streams"
        job = replace(job, dropped=(*job.dropped, late))
    names = {stream.index: str(stream) for stream in job.copied}
    why = f"part of a sample, and .{job.container} holds whole ones"
    cut = [
        f"{_bytes(part.num_bytes)} at the end of {names[part.index]}: {why}"
        for part in source.cut_samples
        if part.index in names
    ]
    return replace(job, dropped=(*job.dropped, *cut))


class FileRun:
    """One file from the first segment to the output.

    A run that was stopped at any point goes on where it was: finished segments are kept in the work folder until
    the output is complete. The executor calls `open`, then `finish` or `abandon`.
    """

    def __init__(self, job: Job, *, work_base: Path | None, overwrite: bool, on_progress: OnProgress) -> None:
        """Refuses what cannot be written; see `check_output`."""
        if job.output_url is not None:
            job = replace(job, output=local_place(job.output_url))  # here, wherever it was planned
        self.job = job
        self.work = work_folder(job, work_base)
        check_output(job, overwrite, self.work)
        self._overwrite = overwrite
        self.meter = Meter(job, on_progress)
        self._lease = Lease(self.work, job.output_url or str(job.output))
        self._is_open = False
        self._began, self._begun = time.monotonic(), datetime.now(UTC)

    def open(self) -> None:
        """Take the work folder. Raises `WorkFolderBusy` where another run has it, `MachineError`."""
        self.work.make()
        self._lease.acquire()
        self._is_open = True
        try:
            self.work.clear_attempts()
        except BaseException:
            self._release()
            raise
        self._began = time.monotonic()
        self._begun = datetime.now(UTC)

    def abandon(self) -> None:
        """Leave the work folder as a later run wants it: finished segments stay.

        Without `open` it may be another run's, and nothing is done.
        """
        if not self._is_open:
            return
        try:
            self._lease.check()
            self.work.clear_attempts()
            if not self.work.holds_segments():
                self.work.remove()
        except (MachineError, WorkFolderBusy) as error:  # the store is away, or another run has taken over
            _log.warning("%s", error)
        self._release()

    def _release(self) -> None:
        self._is_open = False
        self._lease.release()

    def finish(self, results: Sequence[SegmentResult], source: SourceSummary) -> dict[str, Any]:
        """Put the output together; returns its manifest. Raises a `VsrError`; then the output's name is as before."""
        with at_hand(self.job) as job:
            job = as_learnt(job, source)
            may_replace = self._overwrite or job.output_url is not None
            assembled = assemble(job, self.work, results, source, self.meter.tell, overwrite=may_replace)
            try:
                checksums = write_checksums(job, source.checksums)
                kept, missing = keep_packets(
                    job, self.work, shift=assembled.shift, trim=assembled.trim, overwrite=may_replace
                )
                job = replace(job, dropped=(*job.dropped, *missing))
                seconds = time.monotonic() - self._began
                manifest = write_manifest(
                    job,
                    source=source,
                    results=results,
                    assembled=assembled,
                    checksums=checksums,
                    kept=kept,
                    started=self._begun,
                    seconds=seconds,
                )
                about = [manifest_path(job.output), *checksum_paths(job.output), find_kept_path(job.output)]
                arrange(job.output, about, hidden=job.settings.sidecars == "folder")
            except OSError as error:
                beside = error.filename2 or error.filename or "what lies beside it"
                raise MachineError(
                    f"{job.output} is whole, but {beside} cannot be written ({error.strerror or error}); the same "
                    "command finishes it"
                ) from error
        self._lease.check()
        if job.output_url is not None:
            self._put_into_store(job, job.output_url)
        try:
            self.work.remove()
        except MachineError as error:  # the output is whole all the same
            _log.warning("%s", error)
        self._release()
        self.meter.tell("done")
        return manifest

    def _put_into_store(self, job: Job, url: str) -> None:
        """The output first, the manifest last; neither overwrites without permission."""
        for place in (url, find_kept_url(url)) if job.kept else (url,):
            if not self._overwrite and find_object(place) is not None:
                raise created_concurrently(place)
        kept_files = [find_kept_path(job.output)] if job.kept else []
        for local in (job.output, *checksum_paths(job.output), *kept_files):
            _put(local, url)
        if self._overwrite and not job.kept:
            remove_former(url, find_kept_path(job.output))
        _put(manifest_path(job.output), url)


def _put(local: Path, output_url: str) -> None:
    upload(local, join_url(split_url(output_url)[0], local.name))
    local.unlink()
