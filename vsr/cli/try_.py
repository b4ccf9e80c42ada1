"""``vsr try``: see what each method makes of a video before hours of work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsr.cli import completion
from vsr.cli.option_types import SeveralValues
from vsr.cli.options import (
    Device,
    Height,
    Preset,
    Scale,
    Screen,
    Set,
    Size,
    SquarePixels,
    assignments,
    merged,
    parse_factor,
    parse_height,
    parse_screen,
)

if TYPE_CHECKING:
    from vsr.api import Trial

__all__ = ["TryCommand", "try_"]


class TryCommand(SeveralValues):
    """``--methods`` takes several."""

    several = frozenset({"--methods"})


def try_(
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="Video file, folder of images or pattern.")],
    page: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PAGE.html", help="The page.  [default: INPUT.try.html here]"),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time or frame number.  [default: where much detail moves]")
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(metavar="N", help="Frames by every method.  [default: two seconds, fewer by slow methods]"),
    ] = None,
    roi: Annotated[
        str | None,
        typer.Option(metavar="X,Y,W,H|all", help="Region of the input.  [default: all of small frames, else a detail]"),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--methods",
            metavar="NAME...",
            help="Methods.  [default: lanczos lite video multiframe auto]",
            autocompletion=completion.methods,
        ),
    ] = None,
    scale: Scale = None,
    size: Size = None,
    height: Height = None,
    to: Screen = None,
    square_pixels: SquarePixels = False,
    preset: Preset = "default",
    set_: Set = None,
    fps: Annotated[str | None, typer.Option(help="Frame rate of images, and of streams without times.")] = None,
    video_stream: Annotated[
        int | None, typer.Option(metavar="N", help="Video stream, by its number in vsr probe.  [default: the best]")
    ] = None,
    device: Device = None,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Motion in the page.")] = True,
    max_mb: Annotated[float, typer.Option("--max-mb", min=1, help="Size that the page is not to exceed, in MB.")] = 8,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Progress as JSON lines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Try methods on two seconds of a video: a page to compare them, and what each would take for all of it."""
    del debug

    from vsr.cli.steps import step_lines

    lines = step_lines()

    def say(words: str) -> None:
        if json_lines:
            lines(words, None)
        elif not quiet:
            print(f"{input_.name}: {words}", file=sys.stderr, flush=True)

    say("loading")
    from vsr import api

    given = {
        "scale": parse_factor("scale", scale), "size": size, "height": parse_height(height), "to": parse_screen(to),
        "fps": fps, "video_stream": video_stream, "square_pixels": square_pixels or None,
        "device": device,
    }  # fmt: skip
    settings = merged(assignments(set_ or []), {key: value for key, value in given.items() if value is not None})
    trial = api.try_methods(
        input_,
        page,
        methods=methods or None,
        at=at,
        frames=frames,
        roi=roi,
        preset=preset,
        settings=settings,
        video=video,
        max_bytes=int(max_mb * 1e6),
        on_step=say,
    )
    if not json_lines:
        _print_trial(trial)


def _print_trial(trial: Trial) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from vsr.report.trial.words import describe_length, describe_seconds, describe_size

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("method")
    for name in ("a frame", "whole video", "size", "frames tried"):
        table.add_column(name, justify="right")
    for name, tried in trial.methods.items():
        seconds, num_bytes = trial.run_seconds(name), trial.run_bytes(name)
        table.add_row(
            name,
            describe_seconds(trial.frame_seconds(name)),
            "unknown" if seconds is None else f"about {describe_length(seconds)}",
            "unknown" if num_bytes is None else f"about {describe_size(num_bytes)}",
            str(len(tried.pixels)),
        )
    Console(highlight=False).print(table)
    for note in trial.notes:
        print(note)
    print(trial.page)
    print(trial.commands[trial.chosen])
