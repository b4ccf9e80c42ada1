"""The checks run, what they found as a file, and two such files compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vsr.errors import InputError, MachineError, VsrError
from vsr.inference import device_class
from vsr.pipeline.sidecar import software_versions, write_atomically
from vsr.validation.checks import CHECKS, Check, Finding

__all__ = ["FORMAT", "compare_reports", "newly_fails", "read_report", "validate", "write_report"]

FORMAT = 1

_ROW = {"name", "value", "unit", "bound", "passed", "digest"}
_SAME = 1e-3  # relative difference of measured values that is none


def validate(on_check: Callable[[Mapping[str, Any]], None] = lambda row: None) -> dict[str, Any]:
    """Run all of `CHECKS`, on the processor; ``on_check`` gets each row as soon as it is there.

    Returns the report: ``format``, ``written``, ``versions``, ``device``, ``passed`` and ``checks``, each with
    ``name``, ``claim``, ``value``, ``unit``, ``bound``, ``passes`` (``at most`` or ``at least``), ``passed``,
    ``digest`` and ``error``: why there is no ``value``, where vsr failed.
    """
    rows = []
    for name, check in CHECKS.items():
        with TemporaryDirectory(prefix="vsr-validate-") as folder:
            found = _run(check, Path(folder))
        row = {
            "name": name,
            "claim": check.claim,
            "value": None if found.value is None else round(found.value, 4),
            "unit": check.unit,
            "bound": check.bound,
            "passes": check.passes,
            "passed": found.value is not None and check.is_passed(found.value),
            "digest": found.digest,
            "error": found.error,
        }
        rows.append(row)
        on_check(row)
    return {
        "format": FORMAT,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": software_versions(),
        "device": device_class("cpu"),
        "passed": all(row["passed"] for row in rows),
        "checks": rows,
    }


def _run(check: Check, folder: Path) -> Finding:
    """A failure of vsr is what such checks are there to find, and no reason to leave out the others."""
    try:
        return check.run(folder)
    except (VsrError, AssertionError) as error:
        return Finding(None, error=str(error) or type(error).__name__)


def write_report(report: Mapping[str, Any], path: Path) -> None:
    """As JSON. Raises `MachineError` where it cannot be written."""
    try:
        write_atomically(path, json.dumps(report, indent=1) + "\n")
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror or error}") from error


def read_report(path: Path) -> dict[str, Any]:
    """A report as `write_report` wrote it. Raises `InputError` for anything else."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error})") from error
    if not isinstance(report, dict) or report.get("format") != FORMAT or not _is_whole(report):
        raise InputError(f"{path}: is no report of vsr validate in format {FORMAT}")
    return report


def _is_whole(report: Mapping[str, Any]) -> bool:
    rows, versions = report.get("checks"), report.get("versions")
    if not isinstance(rows, list) or not isinstance(versions, dict) or "device" not in report:
        return False
    return all(isinstance(row, dict) and row.keys() >= _ROW for row in rows)


def newly_fails(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a check fails in the second report that passed in the first."""
    passed = {row["name"] for row in before["checks"] if row["passed"]}
    return any(row["name"] in passed and not row["passed"] for row in after["checks"])


def compare_reports(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What differs, as names and words; nothing where both say the same."""
    names = sorted({*before["versions"], *after["versions"]})
    for name in names:
        one, other = (report["versions"].get(name, "absent") for report in (before, after))
        if one != other:
            yield name, f"{one} → {other}"
    if before["device"] != after["device"]:
        yield "device", f"{before['device']} → {after['device']}"
    rows = [{row["name"]: row for row in report["checks"]} for report in (before, after)]
    for name in dict.fromkeys([*rows[0], *rows[1]]):
        if name not in rows[0] or name not in rows[1]:
            yield name, "only in the first" if name in rows[0] else "only in the second"
            continue
        said = _differences(rows[0][name], rows[1][name])
        if said:
            yield name, "; ".join(said)


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    said = []
    if one["passed"] != other["passed"]:
        said.append("passed, and fails now" if one["passed"] else "failed, and passes now")
    values = [row["value"] for row in (one, other)]
    if None in values or abs(values[0] - values[1]) > _SAME * max(1.0, abs(values[0])):
        shown = ["nothing" if value is None else f"{value:g}" for value in values]
        said += [f"{shown[0]} → {shown[1]} {other['unit']}"] if shown[0] != shown[1] else []
    if one["digest"] != other["digest"]:
        said.append("other samples")
    if one["bound"] != other["bound"]:
        said.append(f"bound {one['bound']:g} → {other['bound']:g}")
    return said
