"""``vsr upscale`` with ``-``: standard output belongs to the video, and what is said goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from vsr.api import Job

__all__ = ["is_piped", "refuse_for_pipes", "refuse_without_pipe", "run"]

_PIPE = "-"


def is_piped(inputs: Sequence[str], output: str) -> bool:
    """Whether one end of the run is a pipe."""
    return output == _PIPE or _PIPE in inputs


def refuse_for_pipes(inputs: Sequence[str], given: Mapping[str, object]) -> None:
    """Refuse several inputs, and what is ``given`` of the options that a pipe does not go with. Raises `UsageError`."""
    from vsr.errors import UsageError

    if len(inputs) > 1:
        raise UsageError(f"a pipe carries one video; {len(inputs)} inputs are named")
    for option, value in given.items():
        if value:
            raise UsageError(
                f"{option} does not go with a pipe: one worker reads it once and writes it once; name files"
            )


def refuse_without_pipe(container: str | None, output: str) -> None:
    """Raises `UsageError` for options that are for pipes alone."""
    from vsr.errors import UsageError

    option = "--manifest" if container is None else f"--container {container}"
    note = "its record lies beside it" if container is None else "its extension says the container"
    raise UsageError(f"{option} is for -o -; of {output} {note}")


def run(
    source: str,
    output: str,
    *,
    dry_run: bool,
    quiet: bool,
    json_lines: bool,
    overwrite: bool,
    work_dir: str | None,
    preview: str | bool,
    manifest: str | None,
    options: Mapping[str, Any],
) -> int:
    """Restore from or to a pipe; ``options`` are what a plan depends on. Returns the exit code."""
    from vsr.api import piping as api
    from vsr.cli.console import print_table
    from vsr.cli.progress import reporter
    from vsr.errors import UsageError, VsrError
    from vsr.pipeline.plan_words import plan_rows

    if preview is True:
        raise UsageError("--preview beside a pipe has no place of its own; name one: --preview FILE.png")
    if dry_run:
        print_table(plan_rows(api.plan_pipe(source, output, **options)))
        return 0
    stdout = api.standard_output() if output == _PIPE else None
    with (
        _video_alone() if stdout is not None else nullcontext() as own,
        reporter(quiet=quiet, json_lines=json_lines) as report,
    ):
        try:
            outcome = api.pipe(
                source,
                output,
                manifest=manifest,
                stdout=own,
                overwrite=overwrite,
                work_dir=work_dir,
                preview=preview or None,
                on_progress=report.progress,
                on_plan=lambda job: report.notes(_notes(job, output, manifest)),
                **options,
            )
        except VsrError as error:
            report.failure(error)
            raise
        except BrokenPipeError:  # the reader has seen enough
            return 0
        report.outcome(outcome)
    return 0


def _notes(job: Job, output: str, manifest: str | None) -> list[str]:
    """What the user should know before the work, since no record may be left of it."""
    if output != _PIPE:
        return [f"dropped: {text}" for text in job.dropped]
    record = f"its record goes to {manifest}" if manifest else "no record is left (--manifest FILE keeps one)"
    note = f"to a pipe: a stopped run starts over, the output is not read again to check it, and {record}"
    return [note, *(f"assumed: {text}" for text in job.assumptions), *(f"dropped: {text}" for text in job.dropped)]


@contextmanager
def _video_alone() -> Iterator[BinaryIO]:
    """Standard output for the video; whatever else is printed there meanwhile goes to standard error."""
    sys.stdout.flush()
    usual = sys.stdout.fileno()
    kept = os.dup(usual)
    os.dup2(sys.stderr.fileno(), usual)
    try:
        with os.fdopen(kept, "wb", buffering=0, closefd=False) as video:
            yield video
    finally:
        sys.stdout.flush()
        os.dup2(kept, usual)
        os.close(kept)
