"""``vsr bag``: outputs for an archive, in one folder that any archive can check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["bag"]


def bag(
    outputs: Annotated[
        list[str], typer.Argument(metavar="OUTPUT...", help="Outputs of vsr, or the .vsr.json beside them.")
    ],
    folder: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="The bag, a new folder.")],
    with_source: Annotated[
        bool, typer.Option("--with-source", help="Pack the inputs, too.  [default: say where they are]")
    ] = False,
    input_: Annotated[
        Path | None,
        typer.Option("--input", metavar="PATH", help="Where the input is now.  [default: where the record says]"),
    ] = None,
    info: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=TEXT", help="A line of bag-info.txt, such as Source-Organization=…; repeatable."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Verify outputs and pack them with their records for an archive: BagIt (RFC 8493), described in PREMIS 3."""
    del debug
    import dataclasses
    import json

    from vsr import api
    from vsr.cli.console import print_table
    from vsr.cli.steps import step_shares

    with step_shares(quiet=quiet or json_) as on_step:
        made = api.bag(
            outputs,
            folder,
            source=input_,
            with_source=with_source,
            info=_lines(info or []),
            on_file=on_step,
        )
    if json_:
        print(json.dumps({**dataclasses.asdict(made), "folder": str(made.folder)}, indent=1))
        return
    print_table(
        [
            ("bag", str(made.folder)),
            *(("output", name) for name in made.outputs),
            ("payload", f"{made.num_files} files, {made.size_bytes / 1e6:.1f} MB"),
        ]
    )


def _lines(given: list[str]) -> dict[str, str]:
    from vsr.errors import UsageError

    lines = dict(text.partition("=")[::2] for text in given)
    if len(lines) != len(given):
        raise UsageError("--info: a label is given twice")
    return lines
