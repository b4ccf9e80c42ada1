"""``vsr verify``: is an output still what its record says, and does it come out the same again?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["verify"]


def verify(
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT|RECORD", help="An output of vsr, or the .vsr.json beside it.")
    ],
    input_: Annotated[
        Path | None,
        typer.Option("--input", metavar="PATH", help="Where the input is now.  [default: where the record says]"),
    ] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Make it again as its record says, and compare byte for byte.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Check an output against its record: the record itself, bytes, streams, frames, and the input if it is there."""
    del debug
    import dataclasses
    import json

    from vsr import api
    from vsr.cli.steps import step_shares
    from vsr.errors import VerificationError

    with step_shares(quiet=quiet or json_) as on_step:
        checks = api.verify(
            output,
            source=input_,
            recompute=recompute,
            on_step=on_step,
            on_progress=lambda progress: on_step(
                progress.stage, progress.frames_done / progress.frames_total if progress.frames_total else None
            ),
        )
    passed = all(check.passed for check in checks)
    if json_:
        print(json.dumps({"passed": passed, "checks": [dataclasses.asdict(check) for check in checks]}, indent=1))
    else:
        for check in checks:
            print(f"{'ok  ' if check.passed else 'FAIL'}  {check.what}: {check.detail}")
    return 0 if passed else VerificationError.exit_code
