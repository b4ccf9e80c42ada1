"""``vsr upscale``: videos in, better videos out."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import typer

from vsr.cli import completion, piping
from vsr.cli.console import fail
from vsr.cli.option_types import OptionalValue
from vsr.cli.options import (
    Cluster,
    Device,
    Height,
    InputTransfer,
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
    parse_workers,
)
from vsr.cli.planning import show_plans
from vsr.cli.running import run_all

__all__ = ["UpscaleCommand", "upscale"]


class UpscaleCommand(OptionalValue):
    """``--preview`` may stand alone."""

    option = "--preview"
    value = "beside"


def upscale(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Video files, folders of videos, images (frames/%06d.png), lists (.txt), URLs (s3://…), - (pipe).",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            help="Output file; its extension says the container. A folder (DIR/) for several inputs; - for a pipe.",
        ),
    ],
    container: Annotated[
        str | None,
        typer.Option(
            metavar="y4m|mkv|nut", help="What goes to a pipe (-o -).", autocompletion=completion.PIPE_CONTAINERS
        ),
    ] = None,
    manifest: Annotated[
        str | None, typer.Option(metavar="FILE", help="Record of what goes to a pipe, which has none beside it.")
    ] = None,
    scale: Scale = None,
    size: Size = None,
    height: Height = None,
    to: Screen = None,
    square_pixels: SquarePixels = False,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|A:B@0.3",
            help="auto, multiframe, zssr, selfex, lanczos, bicubic; lite, video, real, any of vsr models list, a file.",
            autocompletion=completion.methods,
        ),
    ] = None,
    consistent: Annotated[
        bool, typer.Option("--consistent", help="Bring a network's result into agreement with the input.")
    ] = False,
    passes: Annotated[
        list[str] | None,
        typer.Option(
            "--pass",
            metavar="NAME[:k=v,k=v]",
            help="Run a pass, too (vsr presets); may be repeated. place=before|after moves it. Alone with --scale 1.",
            autocompletion=completion.passes,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of methods that sample: another number, other detail.")] = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="Of methods that sample: the mean of N results.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of methods that sample: how far from the likeliest, 0 to 1.")
    ] = None,
    preset: Preset = "default",
    set_: Set = None,
    start: Annotated[str | None, typer.Option(help="First frame (120) or time (62.5s, 1:02.5).")] = None,
    end: Annotated[str | None, typer.Option(help="Frame or time to stop before.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="One frame alone, by time or number; -o may be one image.")
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            help="h264, hevc, av1, ffv1, prores, raw (y4m, nut); png, tiff, dpx, exr, webp, gif follow from the name.",
            autocompletion=completion.codecs,
        ),
    ] = None,
    crf: Annotated[int | None, typer.Option(help="Constant quality; lower is better and larger.")] = None,
    speed: Annotated[str | None, typer.Option(help="Encoder preset, for example veryfast.")] = None,
    lossless: Annotated[bool, typer.Option("--lossless", help="Lossless h264 or hevc.")] = False,
    pix_fmt: Annotated[
        str | None, typer.Option(help="Output pixel format, for example yuv420p; may narrow, dithered.")
    ] = None,
    deinterlace: Annotated[
        str | None,
        typer.Option(
            help="auto, off, film (undo telecine), frame (one per frame), field (one per field).",
            autocompletion=completion.DEINTERLACERS,
        ),
    ] = None,
    split: Annotated[
        bool, typer.Option("--split", help="One file for each run of one shape, where the shape changes in mid-file.")
    ] = False,
    video_stream: Annotated[
        int | None,
        typer.Option(metavar="N", help="Which video stream, by its number in vsr probe.  [default: the best]"),
    ] = None,
    input_transfer: InputTransfer = None,
    fps: Annotated[str | None, typer.Option(help="Frame rate of images, and of streams without times.")] = None,
    device: Device = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="No learned or generative method; checksums of all decoded frames.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    recursive: Annotated[
        bool, typer.Option("-r", "--recursive", help="Look into sub-folders of the input folders, too.")
    ] = False,
    drop_streams: Annotated[
        bool, typer.Option("--drop-streams", help="Leave out streams that the container cannot hold.")
    ] = False,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Keep packets that the container cannot hold in OUTPUT.data.zip.")
    ] = False,
    sidecars: Annotated[
        Literal["beside", "folder"] | None,
        typer.Option(help="Where record and checksums go: beside the output, or into the hidden folder .vsr."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at damage, at times to be repaired, and at streams nothing can hold."),
    ] = False,
    work_dir: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where unfinished work is kept; default: beside the output.")
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Segments made at a time.  [default: auto: one for each GPU, else for each core]",
            autocompletion=completion.WORKERS,
        ),
    ] = None,
    ray: Cluster = None,
    preview: Annotated[
        str | None,
        typer.Option(
            "--preview",
            metavar="[FILE.png|DIR/]",
            help="Image of the newest frames, before and after, while it runs.  [default: OUTPUT.preview.png]",
        ),
    ] = None,
    report_: Annotated[bool, typer.Option("--report", help="Make OUTPUT.report.html at the end.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and what it would take (-q: the plan alone), and stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Progress and results as JSON lines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Make videos larger and better. The same command again goes on where a stopped one was."""
    del debug  # read by vsr.cli.console before parsing
    if not (quiet or json_lines) and sys.stderr.isatty():
        print(f"vsr: loading, to make {inputs[0]}{' and others' if inputs[1:] else ''} larger", file=sys.stderr)
    assigned = assignments(set_ or [])
    settings = merged(
        assigned,
        {key: value for key, value in {
            "scale": parse_factor("scale", scale), "size": size, "height": parse_height(height), "to": parse_screen(to),
            "method": method, "codec": codec,
            "crf": crf, "speed": speed, "pix_fmt": pix_fmt, "deinterlace": deinterlace, "fps": fps,
            "input_transfer": input_transfer,
            "device": device, "lossless": lossless or None, "drop_streams": drop_streams or None,
            "keep_data": keep_data or None, "sidecars": sidecars,
            "strict": strict or None, "consistent": consistent or None, "evidence": evidence or None,
            "split": split or None, "square_pixels": square_pixels or None, "video_stream": video_stream,
            "passes": passes or None, "seed": seed, "samples": samples, "temperature": temperature,
        }.items() if value is not None},
    )  # fmt: skip
    if not quiet:
        _say_sections(preset, settings, assigned)
    if piping.is_piped(inputs, output):
        piping.refuse_for_pipes(
            inputs,
            {
                "--report": report_,
                "--ray": ray,
                "--recursive": recursive,
                "--workers": workers not in (None, "1", "auto"),
                "--at": at,
            },
        )
        return piping.run(
            inputs[0],
            output,
            dry_run=dry_run,
            quiet=quiet,
            json_lines=json_lines,
            overwrite=overwrite,
            work_dir=work_dir,
            preview=_preview(preview),
            manifest=manifest,
            options={
                "container": container, "preset": preset, "start": start, "end": end, "settings": settings,
            },
        )  # fmt: skip
    if container is not None or manifest is not None:
        piping.refuse_without_pipe(container, output)
    if report_:
        _refuse_url(output)
    if dry_run:
        return show_plans(
            inputs, output, preset, start, end, settings, overwrite, work_dir, recursive,
            workers=parse_workers(workers), estimates=not quiet, at=at,
        )  # fmt: skip
    return run_all(
        inputs, output, quiet=quiet, json_lines=json_lines, makes_reports=report_,
        options={
            "preset": preset, "start": start, "end": end, "at": at, "overwrite": overwrite, "work_dir": work_dir,
            "workers": parse_workers(workers), "ray": ray, "preview": _preview(preview), "recursive": recursive,
            "settings": settings,
        },
    )  # fmt: skip


def _preview(text: str | None) -> str | bool:
    return str(text) if text not in (None, UpscaleCommand.value) else text is not None


def _refuse_url(output: str) -> None:
    from vsr.errors import UsageError

    if "://" in output:
        raise UsageError(f"--report needs an output on this machine, not {output}; run vsr report on a copy of it")


def _say_sections(preset: str, settings: dict[str, Any], assigned: dict[str, Any]) -> None:
    """One line about settings of methods that were written without the method's name."""
    if not (assigned or preset.endswith((".yaml", ".yml"))):
        return
    from vsr.pipeline.settings import resolve_settings

    spelt = resolve_settings(preset, settings).spelt
    typed = {key: section for key, section in spelt.items() if key in assigned or key not in settings}
    if typed:
        taken = ", ".join(f"{section}.{key}" for key, section in typed.items())
        fail(f"{', '.join(typed)}: taken for {taken}; write it so where several methods run")
