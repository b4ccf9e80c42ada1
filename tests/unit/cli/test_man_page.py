"""The manual page says what ``--help`` says, in roff that readers of manuals accept."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from vsr.cli import app

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "man" / "vsr.1"


def test_the_page_is_what_help_says() -> None:
    written = runpy.run_path(str(ROOT / "scripts" / "man_page.py"))["write_page"]()
    assert PAGE.read_text() == written, "run scripts/man_page.py"


def test_every_command_and_option_is_there() -> None:
    text = PAGE.read_text().replace("\\-", "-")
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        assert f".SS vsr {name}\n" in text
        part = text.partition(f".SS vsr {name}\n")[2].partition("\n.SS ")[0]
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert re.search(rf"^\.B .*{re.escape(parameter.opts[-1])}\b", part, re.MULTILINE), parameter.opts


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_shows_it_without_a_warning() -> None:
    done = subprocess.run(
        ["man", "--warnings=w", "-l", str(PAGE)],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ +vsr upscale \[OPTIONS\]", done.stdout, re.MULTILINE)
    assert "--square-pixels" in done.stdout


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_finds_no_error() -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", str(PAGE)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
