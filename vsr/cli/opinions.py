"""``vsr opinions``: which version people prefer, by what blind pages have saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from vsr.api import Opinions

__all__ = ["opinions"]


def opinions(
    files: Annotated[
        list[Path], typer.Argument(metavar="CHOICES.json...", help="What blind pages saved (vsr compare --blind).")
    ],
    by: Annotated[
        Literal["file", "folder"], typer.Option(help="What is ranked: each file, or all files of a folder as one.")
    ] = "file",
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Rank versions by people's choices: mean opinion rank by the Bradley-Terry model, with confidence intervals."""
    del debug
    from vsr import api

    found = api.rank_opinions(files, by=by)
    if json_:
        print(found.as_json())
    else:
        _print_ranks(found)


def _print_ranks(found: Opinions) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("version", overflow="fold")
    for name in ("better", "worse", "same", "rank", "95 %", "strength", "95 %"):
        table.add_column(name, justify="right")
    for one in found.versions:
        counts = (str(one.wins), str(one.losses), str(one.same))
        ranks = (f"{one.rank:.2f}", "{:.2f}…{:.2f}".format(*one.rank_interval))
        strengths = (f"{one.strength:+.2f}", "{:+.2f}…{:+.2f}".format(*one.strength_interval))
        table.add_row(Text(one.name), *counts, *ranks, *strengths)
    console = Console(highlight=False)
    console.print(table)
    note = f"{found.num_choices} choices of {found.num_people} people"
    if found.num_people == 1:
        note = f"{found.num_choices} choices of one person; how much people differ is not in the intervals"
    console.print(note, markup=False, highlight=False, soft_wrap=True)
