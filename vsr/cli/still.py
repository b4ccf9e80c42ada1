"""``vsr still``: many frames to one image, and the record that proves it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vsr.cli.options import InputTransfer

if TYPE_CHECKING:
    from vsr.api import Still

__all__ = ["still"]


def still(
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="Video file, folder of images or pattern.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG or TIFF file.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="Time (62.5s, 1:02.5) or frame number (120).")],
    roi: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="Region, in pixels of that frame.  [default: all of it]")
    ] = None,
    frames: Annotated[int, typer.Option(metavar="N", help="Frames used at most.")] = 30,
    scale: Annotated[float, typer.Option(metavar="S", help="How many times as large.")] = 4.0,
    motion: Annotated[
        Literal["auto", "translation", "affine", "homography"], typer.Option(help="How the region may move.")
    ] = "auto",
    psf: Annotated[
        float | None, typer.Option(metavar="PIXELS", help="Blur of the camera.  [default: found from the frames]")
    ] = None,
    regularization: Annotated[
        float | None, typer.Option(help="Strength of smoothing.  [default: found from the frames]")
    ] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence/--no-evidence", help="In double precision, the same on every machine.")
    ] = True,
    fps: Annotated[str | None, typer.Option(help="Frame rate of images, and of streams without times.")] = None,
    video_stream: Annotated[
        int | None,
        typer.Option(metavar="N", help="Video stream, by its number in vsr probe.  [default: the best]"),
    ] = None,
    input_transfer: InputTransfer = None,
    report_: Annotated[bool, typer.Option("--report", help="Make OUTPUT.report.html at the end.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    json_lines: Annotated[bool, typer.Option("--json-lines", help="Progress as JSON lines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Make one sharp image of a region from the frames around a time, with maps of its support and a record."""
    del debug
    import json

    from vsr import api
    from vsr.cli.steps import step_lines, step_shares

    with nullcontext(step_lines()) if json_lines else step_shares(quiet=quiet or json_) as on_step:
        made = api.still(
            input_,
            output,
            at=at,
            roi=roi,
            frames=frames,
            scale=scale,
            motion=motion,
            psf_sigma_px=psf,
            regularization=regularization,
            evidence=evidence,
            fps=fps,
            video_stream=video_stream,
            input_transfer=input_transfer,
            overwrite=overwrite,
            on_step=on_step,
        )
        page = api.make_report(made.output, on_step=lambda stage, count: on_step(stage, None)) if report_ else None
    if json_lines:
        return
    if json_:
        print(json.dumps(made.record, indent=1))
    else:
        _print_summary(made, page)


def _reasons(reasons: list[str]) -> str:
    """How many frames were left out for which kind of reason; figures in reasons are those of one frame."""
    from collections import Counter

    kinds = Counter(reason.partition(":")[0].partition(" by 0.")[0].rstrip("0123456789 ") for reason in reasons)
    return "; ".join(f"{count} ({kind})" for kind, count in kinds.most_common())


def _print_summary(made: Still, page: Path | None) -> None:
    from vsr.cli.console import print_table

    record = made.record
    found, quality = record["found"], record["quality"]
    left_out = _reasons([frame["reason"] for frame in record["frames"] if not frame["used"]])
    rows = [
        ("still", f"{made.output}: {record['output']['width']}x{record['output']['height']}"),
        ("shows", f"frame {record['reference']['ordinal']} at {record['reference']['time']}"),
        ("frames", f"{found['frames_used']} used, {found['frames_a_pixel']:.1f} a pixel"),
        *([("left out", left_out)] if left_out else []),
        ("motion", record["method"]["motion"]),
        ("blur", f"{found['psf_sigma_px']:.2f} px ({found['psf_from']})"),
        (
            "noise",
            f"{255 * found['noise_sigma']:.1f} of 255; detail recorded for about {found['supported_scale']:.1f}x",
        ),
        (
            "agrees",
            f"degraded again, with its own frame to {quality['reference_lr_psnr_db']:.1f} dB (LR-PSNR), with all to "
            f"{quality['lr_psnr_db']:.1f} dB: {quality['residual_over_noise']:.1f} times the noise; "
            "1 is noise alone",
        ),
        *(("WARNING", text) for text in record["warnings"]),
        *(("note", text) for text in record["notes"]),
        ("record", f"{made.output.name}.vsr.json; check it: vsr verify {made.output} --recompute"),
        *([("report", str(page))] if page else []),
    ]
    print_table(rows)
