"""``vsr upscale``: videos in, better videos out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vsr.cli import completion, piping
from vsr.cli.console import fail
from vsr.cli.option_types import OptionalValue
from vsr.cli.options import (
    Cluster,
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
    parse_workers,
)

if TYPE_CHECKING:
    from vsr.api import Job, Outcome
    from vsr.cli.progress import Reporter

__all__ = ["UpscaleCommand", "run_all", "show_plans", "upscale"]


class UpscaleCommand(OptionalValue):
    """``--preview`` may stand alone."""

    option = "--preview"
    value = "beside"


def upscale(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Video files, folders of videos, pictures (frames/%06d.png), lists (.txt), URLs (s3://…), - (pipe).",
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
            help="auto, multiframe, zssr, lanczos, bicubic; lite, video, real, any of vsr models list, a file; blends.",
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
        str | None, typer.Option(metavar="TIME", help="One frame alone, by time or number; -o may be one picture.")
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            help="h264, hevc, av1, ffv1, prores, raw (y4m, nut); png, tiff, dpx, exr follow from the name.",
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
            help="auto, off, frame (one per frame), field (one per field).", autocompletion=completion.DEINTERLACERS
        ),
    ] = None,
    split: Annotated[
        bool, typer.Option("--split", help="One file for each run of one shape, where the shape changes in mid-file.")
    ] = False,
    video_stream: Annotated[
        int | None,
        typer.Option(metavar="N", help="Which video stream, by its number in vsr probe.  [default: the best]"),
    ] = None,
    fps: Annotated[str | None, typer.Option(help="Rate of pictures, and of streams without times.")] = None,
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
            help="Picture of the newest frames, before and after, while it runs.  [default: OUTPUT.preview.png]",
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


def run_all(
    inputs: list[str],
    output: str,
    *,
    quiet: bool,
    json_lines: bool,
    options: dict[str, Any],
    makes_reports: bool = False,
) -> int:
    """Run `vsr.upscale` with these ``options`` with progress shown; returns the highest exit code."""
    from vsr import api
    from vsr.cli.progress import reporter
    from vsr.errors import VsrError

    with reporter(quiet=quiet, json_lines=json_lines) as report:
        try:
            outcomes = api.upscale(
                inputs,
                output,
                on_progress=report.progress,
                on_outcome=report.outcome,
                on_skipped=report.skipped,
                **options,
            )
        except VsrError as error:
            report.failure(error)
            raise
        code = _make_reports(outcomes, report) if makes_reports else 0
    return max(code, _sum_up(outcomes, is_read_by_people=not (quiet or json_lines)))


def _preview(text: str | None) -> str | bool:
    return str(text) if text not in (None, UpscaleCommand.value) else text is not None


def _refuse_url(output: str) -> None:
    from vsr.errors import UsageError

    if "://" in output:
        raise UsageError(f"--report needs an output on this machine, not {output}; run vsr report on a copy of it")


def _make_reports(outcomes: list[Outcome], report: Reporter) -> int:
    """A page for each output that is here; returns the highest exit code of those that could not be made."""
    from vsr import api
    from vsr.errors import VsrError

    code = 0
    for outcome in outcomes:
        if outcome.error is not None:
            continue
        try:
            report.page(outcome, api.make_report(outcome.output))
        except VsrError as error:
            report.failure(error)
            fail(str(error))
            code = max(code, error.exit_code)
    return code


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


def show_plans(
    inputs: list[str],
    output: str,
    preset: str,
    start: str | None,
    end: str | None,
    settings: dict[str, Any],
    overwrite: bool,
    work_dir: str | None,
    recursive: bool,
    *,
    workers: int | None,
    estimates: bool,
    at: str | None = None,
) -> int:
    """Print the plan of each input, and what an earlier run has left of it to do."""
    from vsr import api
    from vsr.api.arguments import place_of
    from vsr.api.finding import describe_skipped, find_inputs
    from vsr.api.inputs import Naming, pair_inputs
    from vsr.cli.console import fail, print_table
    from vsr.pipeline.plan_words import plan_rows
    from vsr.pipeline.settings import load_settings

    resolved = load_settings(preset, settings)[0]
    found = find_inputs([place_of(one) for one in inputs], recursive=recursive, output=output)
    pairs = pair_inputs(found, inputs, output, Naming.of(resolved), make_folder=False)
    if found.skipped:
        fail(describe_skipped(found.skipped))
    leaves_finished = api.is_batch(inputs, output, pairs) and not overwrite
    for number, (source, target) in enumerate(pairs):
        job = api.plan(source, target, preset=preset, start=start, end=end, at=at, settings=settings)
        done = None
        if leaves_finished:
            done = api.done_before(source, target, preset=preset, start=start, end=end, at=at, settings=settings)
        if done is None and (job.output_url is not None or Path(target).parent.is_dir()):
            api.check_plan(job, overwrite, work_dir)
        if number:
            print()
        rows = [*plan_rows(job), *([("status", _status(done))] if done else [])]
        print_table(rows)
        if estimates and done is None and len(pairs) == 1 and job.source_url is None:
            sys.stdout.flush()
            print_table([("estimate".ljust(max(len(name) for name, _ in rows)), _estimate(job, workers))])
    return 0


def _estimate(job: Job, workers: int | None) -> str:
    """What a run takes, by some frames of it."""
    from vsr import api
    from vsr.errors import VsrError
    from vsr.report.trial.words import describe_length, describe_seconds, describe_size

    try:
        found = api.estimate_run(job, workers)
    except VsrError as error:
        return f"none: {error}"
    by = "1 worker" if found.workers == 1 else f"{found.workers} workers"
    each = (
        f"{describe_seconds(found.frame_seconds)} a frame with {by}, by some frames on this machine, as busy as it is"
    )
    if found.seconds is None or found.num_bytes is None:
        return f"{each}; how many frames there are is not known"
    return f"about {describe_length(found.seconds)} and {describe_size(found.num_bytes)}: {each}"


def _sum_up(outcomes: list[Outcome], *, is_read_by_people: bool) -> int:
    """Print a line for each of several inputs; returns the highest exit code."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(outcomes) > 1:
        from vsr.cli.console import fail, print_table

        if is_read_by_people:
            print()
            are_parts = len({outcome.input for outcome in outcomes}) < len(outcomes)
            names = [Path(outcome.output if are_parts else outcome.input).name for outcome in outcomes]
            print_table(list(zip(names, map(_status, outcomes), strict=True)))
        if failed:
            fail(f"{len(failed)} of {len(outcomes)} inputs failed")
    return max((outcome.error.exit_code for outcome in failed if outcome.error), default=0)


def _status(outcome: Outcome) -> str:
    if outcome.manifest is None:
        return f"failed: {outcome.error}"
    frames, seconds = outcome.manifest["times"]["num_frames"], outcome.manifest["seconds"]
    return f"done before: {frames} frames" if outcome.was_done else f"done: {frames} frames in {seconds:.1f} s"
