"""The program run in this process, which spares starting torch for every call."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import pytest

from vsr.cli import app
from vsr.cli.console import run_guarded


class Run:
    """What one call left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def one_line(self) -> str:
        """The only line on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("vsr: ")
        assert "Traceback" not in self.err
        assert "bug" not in self.err
        return lines[0]


def caller(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """What the fixture ``call`` gives."""

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["vsr", *map(str, arguments)])
        before = signal.getsignal(signal.SIGTERM)
        try:
            code = run_guarded(app)
        finally:
            signal.signal(signal.SIGTERM, before)
        caught = capfd.readouterr()
        return Run(code, caught.out, caught.err)

    return run
