"""Progress of stills at a terminal: what is being done, and how much of it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["step_shares"]


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
