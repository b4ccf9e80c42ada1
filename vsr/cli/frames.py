"""``vsr frames``: frames as they are, as images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["frames"]


def frames(
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="Video file, folder of images or pattern.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR/%06d.png", help="Numbered images: png, tiff, dpx or exr.")
    ],
    start: Annotated[str | None, typer.Option(help="First frame (120) or time (62.5s, 1:02.5).")] = None,
    end: Annotated[str | None, typer.Option(help="Frame or time to stop before.")] = None,
    fps: Annotated[str | None, typer.Option(help="Frame rate of images, and of streams without times.")] = None,
    video_stream: Annotated[
        int | None,
        typer.Option(metavar="N", help="Video stream, by its number in vsr probe.  [default: the best]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace images that exist.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Write frames exactly as they were decoded, at their own depth, with their times; nothing is restored.

    Images bear the numbers of their frames: from 0, as --start counts them, or those of the source's own images.
    """
    del debug
    from vsr import api
    from vsr.cli.console import print_table
    from vsr.cli.steps import step_counter

    with step_counter(quiet=quiet) as step:
        made = api.export_frames(
            input_,
            output,
            start=start,
            end=end,
            fps=fps,
            video_stream=video_stream,
            overwrite=overwrite,
            on_frame=lambda count: step("exporting", count),
        )
    manifest = made.manifest
    named = manifest["frames"]
    print_table(
        [
            ("frames", f"{len(named)}: {named[0]['ordinal']} to {named[-1]['ordinal']}, from {named[0]['time']}"),
            ("images", str(made.output)),
            ("samples", manifest["method"]["says"]),
            *(("changes", f"from frame {c['frame']}: {c['what']} {c['after']}") for c in manifest["changes"]["first"]),
            *(("assumed", text) for text in manifest["assumptions"]),
            *(("dropped", text) for text in manifest["output"]["dropped"]),
        ]
    )
