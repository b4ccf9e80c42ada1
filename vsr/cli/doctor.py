"""``vsr doctor``: what this machine can do."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["doctor"]


def doctor(
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Show versions, devices, codecs and precision support; exits 5 where something needed is missing."""
    del debug
    import json

    from vsr.cli.console import print_table
    from vsr.errors import MachineError
    from vsr.pipeline.doctor import examine

    report = examine()
    if json_:
        print(json.dumps(report.as_dict(), indent=1))
    else:
        print_table(report.rows())
    return MachineError.exit_code if report.problems else 0
