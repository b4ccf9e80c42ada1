#!/usr/bin/env python3
"""Write man/vsr.1, the manual page, from what ``--help`` says; with --check say by the exit code whether it is that."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from typer.core import TyperGroup

from vsr.cli import app
from vsr.errors import VsrError

PAGE = Path(__file__).resolve().parents[1] / "man" / "vsr.1"
WIDTH = 79


def write_page() -> str:
    """The page, in the man macros."""
    program = typer.main.get_command(app)
    context = program.make_context("vsr", [], resilient_parsing=True)
    lines = ['.TH VSR 1 "" "vsr" "User Commands"', ".SH NAME", *_text(f"vsr - {str(program.help).rstrip('.')}")]
    lines += [".SH SYNOPSIS", *_usage(context), ".SH OPTIONS", *_options(context), ".SH COMMANDS"]
    for each in _commands(context):
        lines += [f".SS {_escape(each.command_path)}"]
        lines += _text(each.command.help)
        lines += [".PP", *_usage(each), *_options(each)]
    lines += [".SH EXIT STATUS", *_item("0", "Done."), *_item("1", "Something unexpected: a bug.")]
    for error in sorted(_kinds_of_error(), key=lambda error: error.exit_code):
        lines += _item(str(error.exit_code), (error.__doc__ or "").partition("\n")[0])
    return "\n".join(lines) + "\n"


def _kinds_of_error() -> list[type[VsrError]]:
    """Those of `vsr.errors`, one for each exit code; other modules, once loaded, have more."""
    return [error for error in VsrError.__subclasses__() if error.__module__ == VsrError.__module__]


def _commands(group: Any) -> Iterator[Any]:
    """Contexts of the commands; those of a group behind it."""
    for name, command in group.command.commands.items():
        context = command.make_context(name, [], parent=group, resilient_parsing=True)
        yield context
        if isinstance(command, TyperGroup):
            yield from _commands(context)


def _usage(context: Any) -> list[str]:
    return [f".B {_escape(context.command_path)}", *_text(" ".join(context.command.collect_usage_pieces(context)))]


def _options(context: Any) -> list[str]:
    records = [parameter.get_help_record(context) for parameter in context.command.get_params(context)]
    return [line for record in records if record is not None for line in _item(*record)]


def _item(term: str, text: str) -> list[str]:
    return [".TP", f".B {_escape(term)}", *(_text(text) or ["\\&"])]


def _text(text: str) -> list[str]:
    lines = textwrap.wrap(_escape(text), WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{line}" if line.startswith((".", "'")) else line for line in lines]


def _escape(text: str) -> str:
    """Text that roff takes for nothing else."""
    return " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-").replace("…", "...")


def main(*arguments: str) -> int:
    """Write the page, or compare it."""
    page = write_page()
    if "--check" in arguments:
        return int(PAGE.read_text(encoding="utf-8") != page)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
