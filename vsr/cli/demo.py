"""``vsr demo``: the main job on real pictures, measured against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for what it makes.")] = Path("demo-output"),
    frames: Annotated[int, typer.Option(min=2, max=500, help="Length of the clip.")] = 24,
    method: Annotated[str | None, typer.Option(help="Method to show; default: the default.")] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Film photographs with a simulated hand-held camera, restore the clip x2, and compare it with the truth."""
    del debug
    from vsr.cli.console import fail, print_table
    from vsr.cli.progress import reporter
    from vsr.demo.run import run_demo
    from vsr.errors import MachineError

    if not quiet:
        print("filming a small, noisy, compressed clip of photographs with a hand-held camera …", flush=True)
    with reporter(quiet=quiet, json_lines=False) as report:
        settings = {"method": method} if method else None
        result = run_demo(output, num_frames=frames, settings=settings, on_progress=report.progress)
    score = result.score.mean
    print(result.description)
    print(f"{result.num_frames} frames restored x2 in {result.seconds:.1f} s; luma against the known truth:\n")
    print(f"{'':10}{'PSNR':>9}{'SSIM':>9}")
    print(f"{'bicubic':10}{score.psnr_bicubic:9.2f}{score.ssim_bicubic:9.4f}")
    print(f"{'vsr':10}{score.psnr_restored:9.2f}{score.ssim_restored:9.4f}")
    print(f"{'gain':10}{result.score.gain_db:+9.2f}{score.ssim_restored - score.ssim_bicubic:+9.4f}\n")
    print_table(
        [("recorded", str(result.recorded)), ("restored", str(result.restored)), ("picture", str(result.picture))]
    )
    if method is None and result.score.gain_db <= 0:
        fail("the result does not beat bicubic; something is wrong with this installation")
        return MachineError.exit_code
    return 0
