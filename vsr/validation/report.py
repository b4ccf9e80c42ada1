"""The checks run, what they found as a file, and two such files compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vsr.errors import InputError, MachineError
from vsr.inference import device_class
from vsr.pipeline.sidecar import software_versions, write_atomically
from vsr.validation.checks import CHECKS

__all__ = ["FORMAT", "compare_reports", "read_report", "validate", "write_report"]

FORMAT = 1

_SAME = 1e-3  # relative difference of measured values that is none


def validate(on_check: Callable[[Mapping[str, Any]], None] = lambda row: None) -> dict[str, Any]:
    """Run all of `CHECKS`, on the processor; ``on_check`` gets each row as soon as it is there.

    Returns the report: ``format``, ``written``, ``versions``, ``device``, ``passed`` and ``checks``, each with
    ``name``, ``claim``, ``value``, ``unit``, ``bound``, ``passes`` (``at most`` or ``at least``), ``passed`` and
    ``digest``.
    """
    rows = []
    for name, check in CHECKS.items():
        with TemporaryDirectory(prefix="vsr-validate-") as folder:
            found = check.run(Path(folder))
        row = {
            "name": name,
            "claim": check.claim,
            "value": round(found.value, 4),
            "unit": check.unit,
            "bound": check.bound,
            "passes": check.passes,
            "passed": check.is_passed(found.value),
            "digest": found.digest,
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
    if not isinstance(report, dict) or report.get("format") != FORMAT or "checks" not in report:
        raise InputError(f"{path}: is no report of vsr validate in format {FORMAT}")
    return report


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
    if abs(one["value"] - other["value"]) > _SAME * max(1.0, abs(one["value"])):
        said.append(f"{one['value']:g} → {other['value']:g} {other['unit']}")
    if one["digest"] != other["digest"]:
        said.append("other samples")
    if one["bound"] != other["bound"]:
        said.append(f"bound {one['bound']:g} → {other['bound']:g}")
    return said
