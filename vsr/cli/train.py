"""``vsr train``: networks fitted to images and videos of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsr.cli import completion
from vsr.cli.option_types import SeveralValues
from vsr.cli.options import Cluster

__all__ = ["TrainCommand", "train"]


class TrainCommand(SeveralValues):
    """Options that take several values, each after the other."""

    several = frozenset(["--data", "--set"])


def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            help="YAML file, or a recipe that comes with vsr: lite-x2, real-x2 …",
            autocompletion=completion.recipes,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the run; given again, it goes on.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER...", help="Folders of images or of videos to learn from, each of one kind."),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME|FILE", help="Weights to begin with.", autocompletion=completion.networks),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps in all.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE...", help="Any key of the configuration.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, metavar="N", help="Workers that take each step together, through Ray.")
    ] = 1,
    ray: Cluster = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Progress and result as JSON lines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Train a network, or fit one to your own footage. The same command again goes on where a stopped one was."""
    del debug
    from vsr import api
    from vsr.cli.training_progress import training_reporter
    from vsr.errors import VsrError

    with training_reporter(quiet=quiet, json_lines=json_lines) as report:
        try:
            outcome = api.train(
                config,
                out,
                data=data,
                start_from=start_from,
                steps=steps,
                settings=_assignments(set_ or []),
                workers=workers,
                ray=ray,
                on_progress=report.progress,
            )
        except VsrError as error:
            report.failure(error)
            raise
        report.outcome(outcome)
    return 0


def _assignments(texts: list[str]) -> dict[str, object]:
    from vsr.pipeline.settings import parse_assignment

    return dict(parse_assignment(text) for text in texts)
