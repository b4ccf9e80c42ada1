"""Progress of work that is counted in steps: a bar at a terminal, else a line now and then, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsr.evaluation import OnStep, Step

__all__ = ["step_reporter"]

_LINE_SECONDS = 10.0


class _Lines:
    def __init__(self) -> None:
        self._began = self._last = time.monotonic()

    def __call__(self, step: Step) -> None:
        now = time.monotonic()
        if step.done < step.total and now - self._last < _LINE_SECONDS:
            return
        self._last = now
        found = f", {step.found} found done" if step.found else ""
        print(f"{step.done}/{step.total} scored{found} in {now - self._began:.0f} s: {step.label}", file=sys.stderr)


@contextmanager
def step_reporter(*, quiet: bool) -> Iterator[OnStep]:
    """What hears of the steps."""
    if quiet:
        yield lambda step: None
    elif not sys.stderr.isatty():
        yield _Lines()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        label = TextColumn("{task.description}", markup=False)
        with Progress(
            BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), label, console=Console(stderr=True)
        ) as bar:
            task = bar.add_task("", total=None)
            yield lambda step: bar.update(task, completed=step.done, total=step.total, description=step.label)
