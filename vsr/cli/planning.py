"""Plans printed instead of run: what would be done, what is done already, and how long the rest takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsr.cli.console import fail
from vsr.cli.running import describe_outcome

if TYPE_CHECKING:
    from vsr.api import Job

__all__ = ["show_plans"]


def show_plans(
    inputs: list[str],
    output: str,
    preset: str,
    start: str | None,
    end: str | None,
    settings: dict[str, Any],
    overwrite: bool,
    work_dir: str | None,
    recursive: bool,
    *,
    workers: int | None,
    estimates: bool,
    at: str | None = None,
) -> int:
    """Print the plan of each input, and what an earlier run has left of it to do."""
    from vsr import api
    from vsr.api.arguments import place_of
    from vsr.api.finding import describe_skipped, find_inputs
    from vsr.api.inputs import Naming, pair_inputs
    from vsr.cli.console import print_table
    from vsr.pipeline.plan_words import plan_rows
    from vsr.pipeline.settings import load_settings

    resolved = load_settings(preset, settings)[0]
    found = find_inputs([place_of(one) for one in inputs], recursive=recursive, output=output)
    pairs = pair_inputs(found, inputs, output, Naming.of(resolved), make_folder=False)
    if found.skipped:
        fail(describe_skipped(found.skipped))
    leaves_finished = api.is_batch(inputs, output, pairs) and not overwrite
    for number, (source, target) in enumerate(pairs):
        job = api.plan(source, target, preset=preset, start=start, end=end, at=at, settings=settings)
        done = None
        if leaves_finished:
            done = api.done_before(source, target, preset=preset, start=start, end=end, at=at, settings=settings)
        if done is None and (job.output_url is not None or Path(target).parent.is_dir()):
            api.check_plan(job, overwrite, work_dir)
        if number:
            print()
        rows = [*plan_rows(job), *([("status", describe_outcome(done))] if done else [])]
        print_table(rows)
        if estimates and done is None and len(pairs) == 1 and job.source_url is None:
            sys.stdout.flush()
            print_table([("estimate".ljust(max(len(name) for name, _ in rows)), _estimate(job, workers))])
    return 0


def _estimate(job: Job, workers: int | None) -> str:
    """What a run takes, by some frames of it."""
    from vsr import api
    from vsr.errors import VsrError
    from vsr.report.trial.words import describe_length, describe_seconds, describe_size

    try:
        found = api.estimate_run(job, workers)
    except VsrError as error:
        return f"none: {error}"
    by = "1 worker" if found.workers == 1 else f"{found.workers} workers"
    each = (
        f"{describe_seconds(found.frame_seconds)} a frame with {by}, by some frames on this machine, as busy as it is"
    )
    if found.seconds is None or found.num_bytes is None:
        return f"{each}; how many frames there are is not known"
    return f"about {describe_length(found.seconds)} and {describe_size(found.num_bytes)}: {each}"
