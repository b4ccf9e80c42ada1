"""``vsr validate``: what the program claims, checked on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["validate"]


def validate(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="JSON", help="Write what was found there, too.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", metavar="JSON JSON", help="Run nothing; tell what differs between two such files."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> int:
    """Check what vsr claims against images of known ground truth, made from a seed; exits 5 where a check fails."""
    del debug
    from vsr.cli.console import print_table
    from vsr.errors import UsageError, VerificationError
    from vsr.validation import compare_reports, newly_fails, read_report, write_report
    from vsr.validation import validate as run

    if compare is not None:
        before, after = map(read_report, compare)
        print_table(list(compare_reports(before, after)) or [("same", "both found the same, with the same versions")])
        return VerificationError.exit_code if newly_fails(before, after) else 0
    if output is not None and (output.exists() or not output.absolute().parent.is_dir()):
        why = "exists; name another file" if output.exists() else "is in no folder that is there"
        raise UsageError(f"{output} {why}")

    def show(row: object) -> None:
        assert isinstance(row, dict)
        verdict = "pass" if row["passed"] else "FAIL"
        bound = f"{row['passes']} {row['bound']:g}"
        measured = row["error"] or f"{row['value']:g} {row['unit']} ({bound})"
        print(f"{verdict}  {row['name']:16}{row['claim']:58}{measured}", flush=True)

    report = run(show)
    passed = sum(row["passed"] for row in report["checks"])
    print(f"\n{passed} of {len(report['checks'])} passed; vsr {report['versions']['vsr']} on {report['device']}")
    if output is not None:
        write_report(report, output)
    return 0 if report["passed"] else VerificationError.exit_code
