"""The command line: one file a command. Nothing heavy is imported until a command runs."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from vsr.cli import (
    bag,
    compare,
    demo,
    doctor,
    downscale,
    evaluate,
    frames,
    models,
    opinions,
    presets,
    probe,
    report,
    sign,
    still,
    studio,
    train,
    try_,
    upscale,
    validate,
    verify,
)
from vsr.cli.console import leave, run_guarded

__all__ = ["app", "main"]

app = typer.Typer(
    name="vsr",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Video super-resolution: better video out, with exact frames, timing, colour and streams.",
)
app.command("upscale", cls=upscale.UpscaleCommand)(upscale.upscale)
app.command("downscale")(downscale.downscale)
app.command("try", cls=try_.TryCommand)(try_.try_)
app.command("studio")(studio.studio)
app.command("still")(still.still)
app.command("frames")(frames.frames)
app.command("probe")(probe.probe)
app.command("verify")(verify.verify)
app.command("validate")(validate.validate)
app.command("bag")(bag.bag)
app.command("sign")(sign.sign)
app.command("compare")(compare.compare)
app.command("opinions")(opinions.opinions)
app.command("report")(report.report)
app.command("presets")(presets.presets)
app.command("doctor")(doctor.doctor)
app.command("evaluate", cls=evaluate.EvaluateCommand)(evaluate.evaluate)
app.command("train", cls=train.TrainCommand)(train.train)
app.add_typer(models.app, name="models")
app.command("demo")(demo.demo)


def _show_version(requested: bool) -> None:
    if requested:
        from vsr import __version__

        print(f"vsr {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Takes what stands before the command; shows the help where there is none."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> NoReturn:
    """Entry point of the ``vsr`` program."""
    leave(run_guarded(app))
