"""What a person sees at a terminal: a bar of 80 columns, the plan, what an earlier run has left."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress as Bar

from vsr.cli import progress as module
from vsr.pipeline.progress import Progress, Stage

NAME = "a very long name of a recording that nobody shortened (final version 2).mp4"


def _progress(
    done: int, *, fps: float = 0.05, eta: float | None = 71_046, reused: int = 0, stage: Stage = "restoring"
) -> Progress:
    return Progress(stage, Path(NAME), done, 123_456, False, fps, eta, (), reused, ("to 4K by auto", "h264"))


def _drawn(steps: list[Progress]) -> list[str]:
    """The lines on a terminal of 80 columns."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    with Bar(*module._columns(), console=console, auto_refresh=False) as bar:
        shown = module._Bar(bar)
        for step in steps:
            shown.progress(step)
            bar.refresh()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue()).replace("\r", "\n").splitlines()


def test_the_bar_fits_80_columns() -> None:
    lines = [line for line in _drawn([_progress(99_999)]) if "99999/123456" in line]
    assert lines
    assert max(map(len, lines)) <= 80
    assert "20.0 s/frame" in lines[-1]
    assert "ETA ~19:44:06" in lines[-1]
    assert lines[-1].startswith("a very long name")


@pytest.mark.parametrize(("fps", "says"), [(12.34, "12.3 fps"), (1.0, "1.0 fps"), (0.5, "2.0 s/frame"), (0.0, "")])
def test_below_one_a_second_it_is_seconds_a_frame(fps: float, says: str) -> None:
    assert module._rate(fps) == says


def test_the_plan_and_what_is_done_are_said_once() -> None:
    lines = _drawn([_progress(48, reused=48), _progress(49, reused=48), _progress(50, reused=48)])
    text = "\n".join(line for line in lines if "/123456" not in line)
    assert text.count(": to 4K by auto") == 1
    assert text.count(": h264") == 1
    assert text.count("resuming: 48 of 123456 frames are done") == 1


def test_a_fresh_run_resumes_nothing() -> None:
    assert "resuming" not in "\n".join(_drawn([_progress(1), _progress(2)]))


def test_other_stages_are_named() -> None:
    [*_, line] = [line for line in _drawn([_progress(123_456, stage="verifying")]) if "123456/123456" in line]
    assert "verifying" in line
    assert "ETA" not in line


@pytest.mark.parametrize(
    ("fps", "end"), [(0.0, "5/123456 frames"), (0.5, "5/123456 frames, 2.0 s/frame, ETA 19:44:06")]
)
def test_lines_of_a_log_say_a_pace_once_there_is_one(
    fps: float, end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_LINE_SECONDS", 0)
    module._Lines().progress(_progress(5, fps=fps))
    assert capsys.readouterr().err.splitlines()[-1] == f"{NAME}: {end}"
