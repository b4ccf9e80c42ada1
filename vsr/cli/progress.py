"""Progress for three kinds of reader: a person at a terminal, a log file, a program."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vsr.cli.console import fail

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn, TaskID

    from vsr.api import Outcome, Progress
    from vsr.errors import VsrError
    from vsr.pipeline.batch import Skipped

__all__ = ["Reporter", "reporter"]

_LINE_SECONDS = 10.0
_JSON_SECONDS = 0.5
_NAME_WIDTH, _BAR_WIDTH = 20, 14  # characters
_NAMED_CHANGES = 5  # in mid-stream, of a finished run


class Reporter(Protocol):
    """Hears how a run goes."""

    def progress(self, progress: Progress) -> None:
        """Called often."""
        ...

    def outcome(self, outcome: Outcome) -> None:
        """Called once an input."""
        ...

    def skipped(self, skipped: Sequence[Skipped]) -> None:
        """Called once, with what folders and lists hold that is not an input, where there is anything."""
        ...

    def notes(self, notes: Sequence[str]) -> None:
        """Called once, before the work, with what is to be known of a run that leaves no record."""
        ...

    def page(self, outcome: Outcome, place: Path) -> None:
        """Called for each report page."""
        ...

    def failure(self, error: VsrError) -> None:
        """Called where the whole run fails; the error itself is shown by the program's end."""
        ...


def _eta(seconds: float | None) -> str:
    if seconds is None:
        return "--:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _rate(fps: float) -> str:
    """Images a second, or seconds an image where that is more than one."""
    if not fps:
        return ""
    return f"{fps:.1f} fps" if fps >= 1 else f"{1 / fps:.1f} s/frame"


def _resumed(progress: Progress) -> str:
    """What an earlier run has left, in words; nothing where there is nothing."""
    if not progress.frames_reused:
        return ""
    total = f" of {progress.frames_total}" if progress.frames_total else ""
    return f"resuming: {progress.frames_reused}{total} frames are done"


def _result_line(outcome: Outcome) -> str:
    assert outcome.manifest is not None
    from vsr.media.damage import describe_damage
    from vsr.media.film import describe_film

    times, damage = outcome.manifest["times"], outcome.manifest["damage"]
    note = "".join(f"\n  {line}" for line in describe_damage(damage))
    note += "".join(f"\n  assumed: {text}" for text in outcome.manifest["assumptions"])
    combed = outcome.manifest["interlaced_frames"] if outcome.manifest["deinterlace"] == "off" else 0
    if combed:
        note += f"\n  {combed} interlaced frames left as they are (--deinterlace frame would deinterlace them)"
    if outcome.manifest.get("film"):
        note += "".join(f"\n  {line}" for line in describe_film(outcome.manifest["film"]))
    if times.get("off_rate"):
        note += f"\n  {times['off_rate']} frames off the constant rate, which is all that y4m holds"
    if outcome.was_done:
        return f"{outcome.output}: {times['num_frames']} frames, done before"
    note += _changes(outcome.manifest.get("changes", {"count": 0}))
    from vsr.methods.findings import describe_findings

    found = "".join(f"\n  {line}" for line in describe_findings(outcome.manifest["method"]["findings"]))
    return f"{outcome.output}: {times['num_frames']} frames in {outcome.manifest['seconds']:.1f} s{note}{found}"


def _tell_skipped(skipped: Sequence[Skipped]) -> None:
    from vsr.api.finding import describe_skipped

    fail(describe_skipped(skipped))


def _changes(changes: Mapping[str, Any]) -> str:
    """A line for each of the first few changes in mid-stream."""
    if not changes["count"]:
        return ""
    lines = [
        f"\n  frame {one['frame']}: {one['what']} {one['before']} becomes {one['after']}; {one['handling']}"
        for one in changes["first"][:_NAMED_CHANGES]
    ]
    rest = changes["count"] - len(lines)
    return "".join(lines) + (f"\n  and {rest} more changes, named in the manifest" if rest else "")


class _Quiet:
    def progress(self, progress: Progress) -> None:
        pass

    def outcome(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            fail(str(outcome.error))

    def skipped(self, skipped: Sequence[Skipped]) -> None:
        pass

    def notes(self, notes: Sequence[str]) -> None:
        pass

    def page(self, outcome: Outcome, place: Path) -> None:
        pass

    def failure(self, error: VsrError) -> None:
        pass


class _Telling(_Quiet):
    """Names, before the work on a file, what its output will not hold."""

    def __init__(self) -> None:
        self._heard_of: set[object] = set()
        self._resumed: set[object] = set()

    def _left_out(self, progress: Progress) -> tuple[str, ...]:
        """What the output of this file will not hold, the first time it is heard of."""
        if progress.path in self._heard_of:
            return ()
        self._heard_of.add(progress.path)
        return progress.left_out

    def _resuming(self, progress: Progress) -> str:
        """What an earlier run has left of this file, the first time that work of this run is heard of."""
        own = progress.frames_done - progress.frames_reused
        if progress.path in self._resumed or not own or progress.stage != "restoring":
            return ""
        self._resumed.add(progress.path)
        return _resumed(progress)


class _Lines(_Telling):
    """A line now and then, for logs."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.monotonic()

    def progress(self, progress: Progress) -> None:
        for what in self._left_out(progress):
            fail(f"{Path(progress.path).name}: left out: {what}")
        if resuming := self._resuming(progress):
            fail(f"{Path(progress.path).name}: {resuming}")
        now = time.monotonic()
        if now - self._last < _LINE_SECONDS or progress.stage != "restoring":
            return
        self._last = now
        total = f"/{progress.frames_total}" if progress.frames_total else ""
        pace = f", {_rate(progress.fps)}, ETA {_eta(progress.eta_seconds)}" if progress.fps else ""
        print(f"{Path(progress.path).name}: {progress.frames_done}{total} frames{pace}", file=sys.stderr)

    def outcome(self, outcome: Outcome) -> None:
        super().outcome(outcome)
        if outcome.error is None:
            print(_result_line(outcome))

    def skipped(self, skipped: Sequence[Skipped]) -> None:
        _tell_skipped(skipped)

    def notes(self, notes: Sequence[str]) -> None:
        for note in notes:
            fail(note)

    def page(self, outcome: Outcome, place: Path) -> None:
        print(place)


class _Json(_Telling):
    """One JSON object a line on standard output."""

    def __init__(self) -> None:
        super().__init__()
        self._last, self._stage = 0.0, ""

    def progress(self, progress: Progress) -> None:
        for what in self._left_out(progress):
            self._print(event="left out", input=str(progress.path), what=what)
        now = time.monotonic()
        if now - self._last < _JSON_SECONDS and progress.stage == self._stage:
            return
        self._last, self._stage = now, progress.stage
        self._print(
            event="progress",
            stage=progress.stage,
            input=str(progress.path),
            frames_done=progress.frames_done,
            frames_reused=progress.frames_reused,
            segments_done=progress.segments_done,
            frames_total=progress.frames_total,
            total_is_exact=progress.total_is_exact,
            fps=round(progress.fps, 3),
            eta_seconds=None if progress.eta_seconds is None else round(progress.eta_seconds, 1),
        )

    def outcome(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._print(
                event="error", input=str(outcome.input), message=str(outcome.error), exit_code=outcome.error.exit_code
            )
        elif outcome.manifest is not None:
            self._print(
                event="done",
                was_done=outcome.was_done,
                input=str(outcome.input),
                output=str(outcome.output),
                num_frames=outcome.manifest["times"]["num_frames"],
                seconds=outcome.manifest["seconds"],
                changes=outcome.manifest.get("changes"),
                findings=outcome.manifest["method"]["findings"],
            )

    def skipped(self, skipped: Sequence[Skipped]) -> None:
        for one in skipped:
            self._print(event="skipped", path=one.path, reason=one.reason)

    def notes(self, notes: Sequence[str]) -> None:
        for note in notes:
            self._print(event="note", message=note)

    def page(self, outcome: Outcome, place: Path) -> None:
        self._print(event="report", input=str(outcome.input), output=str(outcome.output), page=str(place))

    def failure(self, error: VsrError) -> None:
        self._print(event="error", message=str(error), exit_code=error.exit_code)

    @staticmethod
    def _print(**fields: object) -> None:
        print(json.dumps(fields), flush=True)


class _Bar(_Telling):
    """A bar at a terminal."""

    def __init__(self, bar: Bar) -> None:
        super().__init__()
        self._bar = bar
        self._tasks: dict[object, TaskID] = {}

    def progress(self, progress: Progress) -> None:
        for what in self._left_out(progress):
            self._bar.console.print(f"{Path(progress.path).name}: left out: {what}", markup=False, highlight=False)
        name = Path(progress.path).name
        if progress.path not in self._tasks:
            for line in progress.plan:
                self._say(f"{name}: {line}")
            self._tasks[progress.path] = self._bar.add_task(name, total=None, rate="", rest="")
        if resuming := self._resuming(progress):
            self._say(f"{name}: {resuming}")
        about = "" if progress.total_is_exact else "~"
        is_restoring = progress.stage == "restoring"
        self._bar.update(
            self._tasks[progress.path],
            completed=progress.frames_done,
            total=progress.frames_total,
            rate=_rate(progress.fps) if is_restoring else "",
            rest=f"ETA {about}{_eta(progress.eta_seconds)}" if is_restoring else progress.stage,
        )

    def _say(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def outcome(self, outcome: Outcome) -> None:
        task = self._tasks.pop(outcome.input, None)
        if task is not None:
            self._bar.remove_task(task)
        if outcome.error is not None:
            self._bar.console.print(f"vsr: {outcome.error}", markup=False, highlight=False)
        else:
            self._bar.console.print(_result_line(outcome), markup=False, highlight=False)

    def skipped(self, skipped: Sequence[Skipped]) -> None:
        _tell_skipped(skipped)

    def notes(self, notes: Sequence[str]) -> None:
        for note in notes:
            fail(note)

    def page(self, outcome: Outcome, place: Path) -> None:
        self._bar.console.print(str(place), markup=False, highlight=False)


@contextmanager
def reporter(*, quiet: bool, json_lines: bool) -> Iterator[Reporter]:
    """The reporter for what reads us."""
    if json_lines:
        yield _Json()
    elif quiet:
        yield _Quiet()
    elif not sys.stderr.isatty():
        yield _Lines()
    else:
        from rich.console import Console
        from rich.progress import Progress as Bar

        with Bar(*_columns(), console=Console(stderr=True)) as bar:
            yield _Bar(bar)


def _columns() -> list[ProgressColumn]:
    """Of the bar, 80 characters wide at most: names give way."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.table import Column

    name = Column(max_width=_NAME_WIDTH, no_wrap=True, overflow="ellipsis")
    return [
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=_BAR_WIDTH),
        MofNCompleteColumn(),
        *(TextColumn(f"{{task.fields[{field}]}}", table_column=Column(no_wrap=True)) for field in ("rate", "rest")),
    ]
