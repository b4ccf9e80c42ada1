"""Progress of a training for three kinds of reader: a person at a terminal, a log file, a program."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from vsr.errors import VsrError
    from vsr.training import TrainingOutcome, TrainingProgress

__all__ = ["TrainingReporter", "training_reporter"]

_LINE_SECONDS = 10.0


class TrainingReporter(Protocol):
    """Hears how a training goes."""

    def progress(self, progress: TrainingProgress) -> None:
        """Called often."""
        ...

    def outcome(self, outcome: TrainingOutcome) -> None:
        """Called at the end."""
        ...

    def failure(self, error: VsrError) -> None:
        """Called where it fails; the error itself is shown by the program's end."""
        ...


def _eta(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _in_words(progress: TrainingProgress) -> str:
    if progress.note:
        return progress.note
    if progress.figures is not None:
        return f"step {progress.step}: {progress.figures.psnr_y:.2f} dB, SSIM {progress.figures.ssim_y:.4f}"
    return (
        f"step {progress.step}/{progress.steps}: loss {progress.loss:.5f}, {progress.steps_per_second:.2f} steps/s, "
        f"ETA {_eta(progress.eta_seconds)}"
    )


def _result(outcome: TrainingOutcome) -> str:
    figures = ""
    if outcome.figures is not None and outcome.bicubic is not None:
        figures = f", {outcome.figures.psnr_y:.2f} dB (bicubic {outcome.bicubic.psnr_y:.2f})"
    done = ", done before" if outcome.was_done else ""
    share = f"; {outcome.network_share:.0%} of the time of steps in the network" if outcome.network_share else ""
    return f"{outcome.weights}: {outcome.steps} steps{figures}{share}{done}"


class _Quiet:
    def progress(self, progress: TrainingProgress) -> None:
        pass

    def outcome(self, outcome: TrainingOutcome) -> None:
        pass

    def failure(self, error: VsrError) -> None:
        pass


class _Lines(_Quiet):
    """A line now and then, for logs; measurements always."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def progress(self, progress: TrainingProgress) -> None:
        now = time.monotonic()
        if progress.note or progress.figures is not None or now - self._last >= _LINE_SECONDS:
            self._last = now
            print(_in_words(progress), file=sys.stderr, flush=True)

    def outcome(self, outcome: TrainingOutcome) -> None:
        print(_result(outcome), flush=True)


class _Json(_Quiet):
    """One JSON object a line on standard output."""

    def progress(self, progress: TrainingProgress) -> None:
        self._print({"event": "progress", **dataclasses.asdict(progress)})

    def outcome(self, outcome: TrainingOutcome) -> None:
        self._print({"event": "done", **dataclasses.asdict(outcome)})

    def failure(self, error: VsrError) -> None:
        self._print({"event": "error", "message": str(error), "exit_code": error.exit_code})

    @staticmethod
    def _print(fields: dict[str, object]) -> None:
        print(json.dumps(fields, default=str), flush=True)


class _Bar(_Quiet):
    """A bar at a terminal."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._task = bar, bar.add_task("", total=None, figures="", eta="")

    def progress(self, progress: TrainingProgress) -> None:
        if progress.note:
            self._bar.console.print(progress.note, markup=False, highlight=False)
            self._bar.update(self._task, completed=progress.step, total=progress.steps)
        elif progress.figures is not None:
            self._bar.update(self._task, figures=f"{progress.figures.psnr_y:.2f} dB")
        else:
            self._bar.update(
                self._task,
                completed=progress.step,
                total=progress.steps,
                description=f"loss {progress.loss:.5f}",
                eta=f"{progress.steps_per_second:.2f} steps/s, ETA {_eta(progress.eta_seconds)}",
            )

    def outcome(self, outcome: TrainingOutcome) -> None:
        self._bar.console.print(_result(outcome), markup=False, highlight=False)


@contextmanager
def training_reporter(*, quiet: bool, json_lines: bool) -> Iterator[TrainingReporter]:
    """The reporter for what reads us."""
    if json_lines:
        yield _Json()
    elif quiet:
        yield _Quiet()
    elif not sys.stderr.isatty():
        yield _Lines()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        fields = [TextColumn(f"{{task.fields[{name}]}}") for name in ("figures", "eta")]
        description = TextColumn("{task.description}", markup=False)
        with Progress(description, BarColumn(), MofNCompleteColumn(), *fields, console=Console(stderr=True)) as bar:
            yield _Bar(bar)
