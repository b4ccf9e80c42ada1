"""Progress of comparisons and reports at a terminal: what is being done, and how many frames were."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["step_counter"]


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
