"""``vsr downscale``: videos made small, so that ``vsr upscale`` gives back more of them than interpolation keeps."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from vsr.cli import completion
from vsr.cli.options import Device, Preset, Set, assignments, merged, parse_factor, parse_workers
from vsr.cli.planning import show_plans
from vsr.cli.running import run_all

__all__ = ["downscale"]


def downscale(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="As for vsr upscale: files, folders, images, lists, URLs.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The small file. A folder (DIR/) for several inputs.")],
    scale: Annotated[str, typer.Option(help="How many times smaller: 2; others by interpolation.")] = "2",
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="rescale, rescale-codec for compressed small files, a file of such a pair, bicubic or lanczos.",
            autocompletion=completion.DOWNSCALERS,
        ),
    ] = "rescale",
    preset: Preset = "default",
    set_: Set = None,
    start: Annotated[str | None, typer.Option(help="First frame (120) or time (62.5s, 1:02.5).")] = None,
    end: Annotated[str | None, typer.Option(help="Frame or time to stop before.")] = None,
    codec: Annotated[str | None, typer.Option(help="As for vsr upscale.")] = None,
    crf: Annotated[int | None, typer.Option(help="Constant quality; what is lost here cannot be given back.")] = None,
    speed: Annotated[str | None, typer.Option(help="Encoder preset, for example veryfast.")] = None,
    lossless: Annotated[bool, typer.Option("--lossless", help="Lossless h264 or hevc.")] = False,
    pix_fmt: Annotated[str | None, typer.Option(help="Pixel format of the small file.")] = None,
    fps: Annotated[str | None, typer.Option(help="Frame rate of images, and of streams without times.")] = None,
    device: Device = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Look into sub-folders, too.")] = False,
    drop_streams: Annotated[
        bool, typer.Option("--drop-streams", help="Leave out streams that the container cannot hold.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at damage.")] = False,
    work_dir: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where unfinished work is kept; default: beside the output.")
    ] = None,
    workers: Annotated[str | None, typer.Option(metavar="N|auto", help="Segments made at a time.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Progress and results as JSON lines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Make videos small by a network whose other half enlarges them again: vsr upscale finds it by itself."""
    del debug  # read by vsr.cli.console before parsing
    if not (quiet or json_lines) and sys.stderr.isatty():
        print(f"vsr: loading, to make {inputs[0]}{' and others' if inputs[1:] else ''} small", file=sys.stderr)
    from vsr import api

    factor = parse_factor("scale", scale)
    assert factor is not None
    given = {
        "codec": codec, "crf": crf, "speed": speed, "lossless": lossless or None, "pix_fmt": pix_fmt, "fps": fps,
        "device": device, "drop_streams": drop_streams or None, "strict": strict or None,
    }  # fmt: skip
    said = merged(assignments(set_ or []), {key: value for key, value in given.items() if value is not None})
    settings = api.downscaling_settings(factor, method, said)
    if dry_run:
        return show_plans(
            inputs, output, preset, start, end, settings, overwrite, work_dir, recursive,
            workers=parse_workers(workers), estimates=not quiet,
        )  # fmt: skip
    return run_all(
        inputs, output, quiet=quiet, json_lines=json_lines,
        options={
            "preset": preset, "start": start, "end": end, "overwrite": overwrite, "work_dir": work_dir,
            "workers": parse_workers(workers), "recursive": recursive, "settings": settings,
        },
    )  # fmt: skip
