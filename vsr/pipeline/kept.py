"""The file beside an output with the packets that no container could hold, where the user asked for them.

It is an output like the other: what lies under its name is replaced only where that is asked for, and goes with the
output that it was made for, but not if it is anything else.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.errors import UsageError, VerificationError
from vsr.media.kept import write_kept
from vsr.media.streams import StreamInfo
from vsr.pipeline.job import Job
from vsr.pipeline.manifest import find_manifest, manifest_path
from vsr.pipeline.objects import download, find_object, remove_object
from vsr.pipeline.publishing import KEPT_NOTE, is_output_of, note_output, publish, refuse_special
from vsr.pipeline.sidecar import file_digest
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.streams import find_kept_path

__all__ = ["check_kept", "find_kept_url", "keep_packets", "remove_former"]

_log = logging.getLogger(__name__)


def check_kept(job: Job, overwrite: bool, work: WorkFolder | None) -> None:
    """Refuse what `keep_packets` could not replace, before any work. `UsageError`.

    Whether there is anything to keep may be known only when the work is done.
    """
    path = find_kept_path(job.output)
    if job.output_url is not None:
        if job.settings.keep_data and not overwrite and find_object(find_kept_url(job.output_url)) is not None:
            raise UsageError(f"{find_kept_url(job.output_url)} exists; give --overwrite to replace it")
        return
    if not job.settings.keep_data or not path.exists():
        return
    refuse_special(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder, where --keep-data would put a file; move it away")
    if not overwrite and not (work is not None and _is_left(path, job.output, work)):
        raise UsageError(f"{path} exists; give --overwrite to replace it")


def keep_packets(
    job: Job, work: WorkFolder, *, shift: Fraction, trim: tuple[Fraction, Fraction] | None, overwrite: bool
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Write ``OUTPUT.data.zip`` for a finished output.

    Returns what the manifest says of it, None where there is none, and what it does not hold, in words.
    One that was made for the output that ``overwrite`` replaces goes in any case. Raises `UsageError` where there is
    something else under that name without ``overwrite``, `OSError`.
    """
    path = find_kept_path(job.output)
    if not job.kept:
        if _is_left(path, job.output, work) or (overwrite and _is_former(path, job.output)):
            path.unlink()
        return None, ()
    partial = path.with_name(f".{path.name}.vsr-partial")
    source = job.info.streams_path or job.info.path
    try:
        untimed = write_kept(source, job.kept, partial, shift=shift, trim=trim, deep=job.info.deep)
        may_replace = overwrite or _is_left(path, job.output, work)
        note_output(work, partial, KEPT_NOTE)
        publish(partial, path, replace=may_replace)
    finally:
        partial.unlink(missing_ok=True)
    entry = {
        "file": path.name,
        "size_bytes": path.stat().st_size,
        "sha256": file_digest(path),
        "streams": [stream.index for stream in job.kept],
    }
    missing = tuple(_drop_times(stream, untimed[stream.index]) for stream in job.kept if stream.index in untimed)
    for words in missing:
        _log.warning("%s: left out: %s", job.info.path.name, words)
    return entry, missing


def _drop_times(stream: StreamInfo, count: int) -> str:
    packets = "1 packet" if count == 1 else f"{count} packets"
    return f"{packets} of {stream}: without a time that says whether the part restored has them"


def _is_left(path: Path, output: Path, work: WorkFolder) -> bool:
    """Whether a run put ``path`` there that was killed before its manifest was written."""
    return not manifest_path(output).exists() and is_output_of(work, path, KEPT_NOTE)


def _is_former(path: Path, output: str | Path, place: str | Path | None = None) -> bool:
    """Whether ``path``, or ``place`` of which it is a copy, is as the manifest says that lies beside ``output``."""
    if not path.is_file():
        return False
    try:
        recorded = find_manifest(output)["output"]["kept"]["sha256"]
    except (VerificationError, ValueError, KeyError, TypeError):
        recorded = None  # nothing there tells of it
    if file_digest(path) == recorded:
        return True
    _log.warning("%s stays: it is not what an earlier run put there", place or path)
    return False


def find_kept_url(output: str) -> str:
    """`find_kept_path` in an object store."""
    return f"{output}.data.zip"


def remove_former(output: str, scratch: Path) -> None:
    """Remove from an object store what was kept for the output that has been replaced, whose manifest is still there.

    It is read into the file ``scratch`` for a moment: anything else stays. Raises `MachineError`.
    """
    place = find_kept_url(output)
    if find_object(place) is None:
        return
    try:
        download(place, scratch)
        if _is_former(scratch, output, place):
            remove_object(place)
    finally:
        scratch.unlink(missing_ok=True)
