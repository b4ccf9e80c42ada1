"""``vsr compare``: two videos in numbers, against each other or against the ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from fractions import Fraction

    from vsr.api import Comparison

__all__ = ["compare"]


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A video, or images.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    reference: Annotated[
        Path | None, typer.Option(help="The ground truth: A and B are both measured against it.")
    ] = None,
    every: Annotated[int, typer.Option(metavar="N", min=1, help="Measure one in N frames.")] = 1,
    vmaf: Annotated[bool, typer.Option("--vmaf", help="VMAF, too (slow).")] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Do not sample large images for SSIM (slow).")] = False,
    offset: Annotated[
        str | None, typer.Option(metavar="SECONDS|start", help="Add to B's times; start: count from first frames.")
    ] = None,
    fps: Annotated[str | None, typer.Option(help="Frame rate of images, and of streams without times.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON, with every frame.")] = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every frame as a line of CSV.")] = None,
    blind: Annotated[
        Path | None,
        typer.Option(metavar="OUT.html", help="Instead: a page on which people choose the better one, unnamed."),
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, max=100, help="Pairs of frames on the blind page.")] = 12,
    seed: Annotated[int, typer.Option(help="Decides what is left and right on the blind page.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Compare two videos frame by frame: PSNR, SSIM, LR-PSNR, sharpness, change over time."""
    del debug
    from vsr import api
    from vsr.cli.steps import step_counter
    from vsr.report.comparison import as_csv, as_json
    from vsr.report.files import check_place, write_text

    if blind is not None:
        _refuse({"--every": every > 1, "--vmaf": vmaf, "--exact": exact, "--json": json_, "--csv": csv is not None})
        place = api.make_blind(first, second, blind, reference, pairs=pairs, seed=seed, offset=_offset(offset), fps=fps)
        print(place)
        return
    if csv is not None:
        check_place(csv, [first, second, *([reference] if reference is not None else [])], (".csv",))
    with step_counter(quiet=quiet or json_) as step:
        found = api.compare(
            first,
            second,
            reference,
            every=every,
            vmaf=vmaf,
            exact=exact,
            offset=_offset(offset),
            fps=fps,
            on_pair=lambda count: step("comparing", count),
        )
    if csv is not None:
        write_text(csv, as_csv(found))
    if json_:
        print(as_json(found))
    else:
        _print_tables(found)


def _refuse(given: dict[str, bool]) -> None:
    from vsr.errors import UsageError

    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise UsageError(f"{', '.join(names)}: a blind page has no figures; run vsr compare once more without --blind")


def _offset(text: str | None) -> Fraction | Literal["start"] | None:
    from vsr.errors import UsageError
    from vsr.timeline import parse_seconds

    if text is None:
        return None
    if text == "start":
        return "start"
    try:
        return parse_seconds(text)
    except UsageError:
        raise UsageError(f"--offset {text!r} is neither a number of seconds nor start") from None


def _print_tables(found: Comparison) -> None:
    from rich.console import Console

    from vsr.report.comparison.records import file_rows, measure_rows

    console = Console(highlight=False)
    console.print(_table(*file_rows(found), left_columns=6))
    console.print(_table(*measure_rows(found), left_columns=1))
    for note in found.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _table(head: list[str], rows: list[list[str]], *, left_columns: int) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(head):
        table.add_column(Text(name), justify="left" if place < left_columns else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
