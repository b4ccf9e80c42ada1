"""``vsr evaluate``: methods against known ground truth, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsr.cli import completion
from vsr.cli.option_types import SeveralValues

if TYPE_CHECKING:
    from vsr.evaluation import TableFormat

__all__ = ["EvaluateCommand", "evaluate"]


class EvaluateCommand(SeveralValues):
    """Options that take several values, each after the other."""

    several = frozenset(["--method", "--scale", "--data", "--set"])


def evaluate(
    method: Annotated[
        list[str],
        typer.Option(
            metavar="NAME|FILE...",
            help="bicubic, lanczos, networks by name or file; auto, multiframe (clips).",
            autocompletion=completion.methods,
        ),
    ],
    scale: Annotated[list[int], typer.Option(metavar="S...", help="Magnifications, for example 2 3 4.")],
    data: Annotated[
        list[Path],
        typer.Option(metavar="FOLDER...", help="Folders of true images or clips (X_GT.mkv, with X_BIx4.mkv or not)."),
    ],
    json_: Annotated[bool, typer.Option("--json", help="As JSON, with every image.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a Markdown table: the default.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; .json, .csv and .md say the format.")
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="First frames of each clip that are used.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE...", help="Options of methods (vsr presets --keys).")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Of networks: float32, float16, bfloat16, auto.  [default: float32]")
    ] = None,
    lpips: Annotated[
        Path | None, typer.Option(help="Weights for LPIPS.  [default: lpips-alex among the models, if there]")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="Draw N of each image and measure their diversity; needs LPIPS.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …", autocompletion=completion.DEVICES)] = "auto",
    resume: Annotated[
        Path | None,
        typer.Option(help="File that keeps results as they come.  [default: beside the output, else in the cache]"),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure all again; keep nothing.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Measure methods against known ground truth: PSNR and SSIM on luma, consistency with the input, time.

    The rules are those of the papers (MATLAB's bicubic and luma). The same command again goes on where a stopped one
    was.
    """
    del debug
    style = _style({"json": json_, "csv": csv, "markdown": markdown}, output)
    if output is not None:
        _check_output(output, data)
    kept = None if fresh else _place_of_results(resume, output)
    from vsr import api
    from vsr.cli.steps import step_reporter
    from vsr.evaluation import render
    from vsr.report.files import write_text

    with step_reporter(quiet=quiet) as report:
        evaluation = api.evaluate(
            method,
            scale,
            data,
            device=device,
            max_frames=frames,
            settings=_settings(set_ or [], precision),
            lpips=lpips,
            samples=samples,
            resume=kept,
            on_step=report,
        )
    text = render(evaluation, style)
    if output is None:
        print(text, end="", flush=True)
    else:
        write_text(output, text)
    return 0


def _style(flags: dict[TableFormat, bool], output: Path | None) -> TableFormat:
    """What the flags say, else the output's extension, else Markdown."""
    from vsr.errors import UsageError

    chosen = [name for name, requested in flags.items() if requested]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} exclude each other")
    if chosen:
        return chosen[0]
    by_suffix: dict[str, TableFormat] = {".json": "json", ".csv": "csv"}
    return by_suffix.get(output.suffix.lower(), "markdown") if output is not None else "markdown"


def _check_output(output: Path, data: list[Path]) -> None:
    """Before hours of work: it can be written, and is not what is measured."""
    from vsr.report.files import check_place

    check_place(output, [path for one in data for path in (one.iterdir() if one.is_dir() else [one])])


def _settings(texts: list[str], precision: str | None) -> dict[str, Any]:
    chosen: dict[str, Any] = {} if precision is None else {"precision": precision}
    if texts:
        from vsr.pipeline.settings import parse_assignment

        chosen |= dict(parse_assignment(text) for text in texts)
    return chosen


def _place_of_results(resume: Path | None, output: Path | None) -> Path | None:
    """Where results are kept: as requested, hidden beside the output, or in the user's cache if there can be one."""
    import os
    import sys

    if resume is not None:
        return resume
    if output is not None:
        return output.with_name(f".{output.name}.results.jsonl")
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vsr" / "evaluate.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            return path
    except OSError as error:
        print(f"{path}: {error.strerror}; a stopped run starts again (--resume names another place)", file=sys.stderr)
        return None
