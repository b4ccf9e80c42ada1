"""Restoring a video that comes through a pipe, or goes into one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from vsr.api.arguments import PathLike, position_of
from vsr.distributed.piped import PIPE, Piped, open_piped, plan_piped, restore_piped
from vsr.errors import MachineError, UsageError
from vsr.pipeline.job import Job, Span
from vsr.pipeline.objects import is_url
from vsr.pipeline.pipe_output import PIPE_CONTAINERS
from vsr.pipeline.progress import OnProgress
from vsr.pipeline.publishing import refuse_special
from vsr.pipeline.request import Outcome, Request
from vsr.pipeline.settings import load_settings

__all__ = ["is_piped", "pipe", "plan_pipe", "standard_output"]


def is_piped(inputs: PathLike | Sequence[PathLike], output: PathLike) -> bool:
    """Whether standard input or standard output, written ``-``, is one end of a run."""
    given = [inputs] if isinstance(inputs, (str, Path)) else inputs
    return str(output) == PIPE or any(str(one) == PIPE for one in given)


def pipe(
    source: PathLike,
    output: PathLike,
    *,
    container: str | None = None,
    manifest: PathLike | None = None,
    stdin: BinaryIO | None = None,
    stdout: BinaryIO | None = None,
    preset: str = "default",
    start: str | int | None = None,
    end: str | int | None = None,
    overwrite: bool = False,
    work_dir: PathLike | None = None,
    on_progress: OnProgress | None = None,
    on_plan: Callable[[Job], None] | None = None,
    preview: PathLike | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Outcome:
    """Restore one video of which one end, or both, is ``-``: a pipe.

    Frames leave while later ones are still to come. A pipe gives the same images as a file, but cannot be read again:
    nothing is gone on with after a stop, no output is checked when it is whole, and streams besides the video stay
    behind where it comes from one.

    Args:
        source: a file, or ``-`` for ``stdin``: YUV4MPEG2, NUT, Matroska, MPEG-TS or what else can be read in one go.
        output: a file, or ``-`` for ``stdout``.
        container: ``y4m``, ``mkv`` or ``nut``: what goes to ``stdout``.
        manifest: a file for the record of what went to ``stdout``; beside a file it lies anyway.
        stdin: binary stream to read instead of the process's own.
        stdout: binary stream to write instead of the process's own.
        preset, start, end, overwrite, work_dir, on_progress, settings: as for `vsr.upscale`.
        on_plan: called with the plan before any image is made.
        preview: a PNG that shows the newest frames.

    Raises a `vsr.errors.VsrError`, and BrokenPipeError where the reader of ``stdout`` has gone.
    """
    request = _request(source, output, container, manifest, preset, start, end, overwrite, work_dir, preview, settings)
    reads, writes = str(source) == PIPE, str(output) == PIPE
    if manifest is not None:
        _check_manifest(Path(manifest), overwrite)
    ends = Piped(
        stdin=(stdin or _standard_input()) if reads else None,
        stdout=(stdout or standard_output()) if writes else None,
        manifest=Path(manifest) if manifest is not None else None,
    )
    record = restore_piped(request, ends, on_progress or (lambda progress: None), on_plan)
    return Outcome(source, output, record)


def plan_pipe(
    source: PathLike,
    output: PathLike,
    *,
    container: str | None = None,
    stdin: BinaryIO | None = None,
    preset: str = "default",
    start: str | int | None = None,
    end: str | int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Job:
    """Decide everything about such a run without doing it; of a pipe as much is read as it takes to know the video."""
    request = _request(source, output, container, None, preset, start, end, False, None, None, settings)
    video = open_piped(request, stdin or _standard_input()) if str(source) == PIPE else None
    return plan_piped(request, video, to_pipe=str(output) == PIPE)


def _request(
    source: PathLike,
    output: PathLike,
    container: str | None,
    manifest: PathLike | None,
    preset: str,
    start: str | int | None,
    end: str | int | None,
    overwrite: bool,
    work_dir: PathLike | None,
    preview: PathLike | None,
    settings: Mapping[str, Any] | None,
) -> Request:
    """The request, refused where no pipe can serve it."""
    resolved, options = load_settings(preset, settings or {})
    target: PathLike = output
    if str(output) == PIPE:
        if container not in PIPE_CONTAINERS:
            known = ", ".join(PIPE_CONTAINERS)
            given = "none is given" if container is None else f"{container!r} cannot be written to a pipe"
            raise UsageError(f"-o - needs --container {known}; {given}")
        if resolved.evidence:
            raise UsageError("--evidence decodes the finished output again, which a pipe does not allow; name a file")
        target = Path(f"standard output.{container}")
        if container == "y4m":  # y4m holds images alone, so dropping the sound needs no consent
            resolved = resolved.model_copy(update={"drop_streams": True})
    elif container is not None:
        raise UsageError(f"--container {container} is for -o -; the extension of {output} says its container")
    elif manifest is not None:
        raise UsageError(f"--manifest is for -o -; {output} gets its own beside it")
    if resolved.keep_data:
        raise UsageError("--keep-data keeps packets of a file beside a file, and one end is a pipe; name files")
    if resolved.split:
        raise UsageError("--split makes several files, and a pipe carries one video; name files")
    for place in (source, output):
        if is_url(place):
            raise UsageError(f"{place}: an object store and a pipe do not go together; name a file")
    span = Span(position_of(start), position_of(end))
    base = Path(work_dir) if work_dir is not None else None
    return Request(source, target, resolved, options, span, overwrite, base, Path(preview) if preview else None)


def _check_manifest(path: Path, overwrite: bool) -> None:
    refuse_special(path)
    if not path.absolute().parent.is_dir():
        raise MachineError(f"--manifest {path}: there is no folder {path.absolute().parent}; make it first")
    if path.is_dir():
        raise UsageError(f"--manifest {path} is a folder; name a file")
    if path.exists() and not overwrite:
        raise UsageError(f"--manifest {path} exists; give --overwrite to replace it")


def _standard_input() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "- reads a video from a pipe, and standard input is a terminal; lead a program or a file into it"
        )
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


def standard_output() -> BinaryIO:
    """The process's own. Raises `UsageError` for a terminal."""
    if sys.stdout is None or sys.stdout.isatty():
        raise UsageError("-o - writes a video, and standard output is a terminal; lead it into a program or a file")
    return sys.stdout.buffer
