"""Progress of commands that go step by step, on the terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsr.evaluation import OnStep, Step

__all__ = ["step_counter", "step_lines", "step_reporter", "step_shares"]

_LINE_SECONDS = 10.0
_JSON_SECONDS = 0.5


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


def step_lines() -> Callable[[str, float | None], None]:
    """What prints a step, and the share of it that is done, as a JSON object a line, a few a second."""
    last, shown = 0.0, ""

    def tell(what: str, done: float | None) -> None:
        nonlocal last, shown
        now = time.monotonic()
        if what != shown or now - last >= _JSON_SECONDS:
            last, shown = now, what
            print(json.dumps({"event": "step", "what": what, "share": done}), flush=True)

    return tell


@contextmanager
def step_shares(*, quiet: bool) -> Iterator[Callable[[str, float | None], None]]:
    """What hears of steps and of the share of each that is done; it shows them only where a person watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda what, done: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(what: str, done: float | None) -> None:
            bar.update(task, description=what if done is None else f"{what} {done:.0%}")

        yield show


@contextmanager
def step_counter(*, quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """What hears of stages; it shows them only where a person watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, frames: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed} frames"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda stage, frames: bar.update(task, completed=frames, description=stage)
