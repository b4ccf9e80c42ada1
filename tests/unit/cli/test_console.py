"""Errors as one line."""

from __future__ import annotations

import sys

import pytest
import typer

from vsr.cli.console import run_guarded
from vsr.errors import MachineError


def test_a_library_that_the_machine_lacks_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def load() -> None:
        raise ImportError("libxcb.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(sys, "argv", ["vsr"])
    assert run_guarded(app) == MachineError.exit_code
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("vsr: this machine has no libxcb.so.1; for OpenCV on Debian: apt-get install ")
