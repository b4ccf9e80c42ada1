"""``vsr demo``: the main job on real images, measured against the ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsr.cli import completion

__all__ = ["demo"]


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for what it makes.")] = Path("demo-output"),
    frames: Annotated[
        int, typer.Option(min=2, max=500, help="Length of the hand-held clip; 12 at most of the other.")
    ] = 24,
    method: Annotated[
        str | None,
        typer.Option(
            help="Show this one alone; default: the default beside others.", autocompletion=completion.methods
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Film photographs hand-held and from a tripod, restore both clips x2, and compare them with ground truth."""
    del debug
    from vsr.cli.console import fail, print_table
    from vsr.cli.progress import reporter
    from vsr.demo.run import run_demo
    from vsr.demo.score import verdict
    from vsr.errors import MachineError

    if not quiet:
        print("filming photographs: a noisy, aliased clip out of the hand, a compressed, ordinary one …", flush=True)
    with reporter(quiet=quiet, json_lines=False) as report:
        results = run_demo(output, num_frames=frames, method=method, on_progress=report.progress)
    for result in results:
        score = result.score.mean
        print(f"{result.clip}: {result.description}; restored x2 in {result.seconds:.1f} s, ", end="")
        print(f"SSIM {score.ssim_restored:.4f} (bicubic {score.ssim_bicubic:.4f})")
    print("\nPSNR of luma against the known ground truth, in dB:\n")
    print(f"{'':10}{'bicubic':>11}" + "".join(f"{name:>11}" for name in results[0].psnrs))
    for result in results:
        psnrs = (result.score.mean.psnr_bicubic, *result.psnrs.values())
        print(f"{result.clip:10}" + "".join(f"{psnr:11.2f}" for psnr in psnrs))
    print()
    for result in results:
        print(verdict(result.clip, {n: p - result.score.mean.psnr_bicubic for n, p in result.psnrs.items()}))
    print()
    print_table(
        [
            (f"{result.clip}, {what}", str(path))
            for result in results
            for what, path in (
                ("recorded", result.recorded),
                ("restored", result.restored),
                ("image", result.image),
            )
        ]
    )
    if method is None and any(result.score.gain_db <= 0 for result in results):
        fail("the result does not beat bicubic; something is wrong with this installation")
        return MachineError.exit_code
    return 0
