"""``vsr verify``: is an output still what its manifest says?"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["verify"]


def verify(
    output: Annotated[str, typer.Argument(help="An output of vsr upscale, with its .vsr.json beside it.")],
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Check an output against its manifest: bytes, streams, frames, and the input if it is still there."""
    del debug
    import dataclasses
    import json

    from vsr import api
    from vsr.errors import VerificationError

    checks = api.verify(output)
    passed = all(check.passed for check in checks)
    if json_:
        print(json.dumps({"passed": passed, "checks": [dataclasses.asdict(check) for check in checks]}, indent=1))
    else:
        for check in checks:
            print(f"{'ok  ' if check.passed else 'FAIL'}  {check.what}: {check.detail}")
    return 0 if passed else VerificationError.exit_code
