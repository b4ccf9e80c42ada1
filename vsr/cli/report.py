"""``vsr report``: one page about an output: images before and after, curves, damage, settings, manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    output: Annotated[Path, typer.Argument(help="An output of vsr upscale or still, with its .vsr.json beside it.")],
    page: Annotated[
        Path | None, typer.Option("-o", "--output", help="The page.  [default: OUTPUT.report.html beside it]")
    ] = None,
    reference: Annotated[Path | None, typer.Option(help="The ground truth, for PSNR and SSIM.")] = None,
    frames: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Frames that are shown.")] = 12,
    video: Annotated[bool, typer.Option("--video/--no-video", help="A short video in the page.")] = True,
    max_mb: Annotated[float, typer.Option("--max-mb", min=1, help="Size that the page is not to exceed, in MB.")] = 8,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Make one HTML page about an output. It needs no network and no other file."""
    del debug
    from vsr import api
    from vsr.cli.steps import step_counter

    with step_counter(quiet=quiet) as step:
        place = api.make_report(
            output, page, reference=reference, frames=frames, video=video, max_bytes=_bytes(max_mb), on_step=step
        )
    print(place)


def _bytes(megabytes: float) -> int:
    import math

    from vsr.errors import UsageError

    if not math.isfinite(megabytes):
        raise UsageError(f"--max-mb {megabytes} is not a size")
    return int(megabytes * 1e6)
