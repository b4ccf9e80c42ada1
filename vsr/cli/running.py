"""Runs over one input or several, with progress shown and a line for each at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsr.cli.console import fail

if TYPE_CHECKING:
    from vsr.api import Outcome
    from vsr.cli.progress import Reporter

__all__ = ["describe_outcome", "run_all"]


def run_all(
    inputs: list[str],
    output: str,
    *,
    quiet: bool,
    json_lines: bool,
    options: dict[str, Any],
    makes_reports: bool = False,
) -> int:
    """Run `vsr.upscale` with these ``options`` with progress shown; returns the highest exit code."""
    from vsr import api
    from vsr.cli.progress import reporter
    from vsr.errors import VsrError

    with reporter(quiet=quiet, json_lines=json_lines) as report:
        try:
            outcomes = api.upscale(
                inputs,
                output,
                on_progress=report.progress,
                on_outcome=report.outcome,
                on_skipped=report.skipped,
                **options,
            )
        except VsrError as error:
            report.failure(error)
            raise
        code = _make_reports(outcomes, report) if makes_reports else 0
    return max(code, _sum_up(outcomes, is_read_by_people=not (quiet or json_lines)))


def _make_reports(outcomes: list[Outcome], report: Reporter) -> int:
    """A page for each output that is here; returns the highest exit code of those that could not be made."""
    from vsr import api
    from vsr.errors import VsrError

    code = 0
    for outcome in outcomes:
        if outcome.error is not None:
            continue
        try:
            report.page(outcome, api.make_report(outcome.output))
        except VsrError as error:
            report.failure(error)
            fail(str(error))
            code = max(code, error.exit_code)
    return code


def _sum_up(outcomes: list[Outcome], *, is_read_by_people: bool) -> int:
    """Print a line for each of several inputs; returns the highest exit code."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(outcomes) > 1:
        from vsr.cli.console import print_table

        if is_read_by_people:
            print()
            are_parts = len({outcome.input for outcome in outcomes}) < len(outcomes)
            names = [Path(outcome.output if are_parts else outcome.input).name for outcome in outcomes]
            print_table(list(zip(names, map(describe_outcome, outcomes), strict=True)))
        if failed:
            fail(f"{len(failed)} of {len(outcomes)} inputs failed")
    return max((outcome.error.exit_code for outcome in failed if outcome.error), default=0)


def describe_outcome(outcome: Outcome) -> str:
    """What became of an input, in a few words."""
    if outcome.manifest is None:
        return f"failed: {outcome.error}"
    frames, seconds = outcome.manifest["times"]["num_frames"], outcome.manifest["seconds"]
    return f"done before: {frames} frames" if outcome.was_done else f"done: {frames} frames in {seconds:.1f} s"
