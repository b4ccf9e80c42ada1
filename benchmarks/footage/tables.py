"""Rows of results: as CSV, one for each cell and method, and as the Markdown tables that tell what came of them."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from footage.cells import SCALES
from footage.recording import TREATMENTS
from vsr.errors import InputError

NEAR_DB = 0.15
"""What a choice of method may fall short of the best one and still be called right."""
HARM_DB = 0.05
"""What a result may lie under Lanczos and still not be called harm."""
GRID_SLACK = 0.1
"""How much more of a grid than bicubic's does not count."""


@dataclass(frozen=True)
class Row:
    """One method on one cell; the columns of the CSV."""

    cell: str
    method: str
    source: str
    part: str
    camera: str
    shrinking: str
    treatment: str
    scale: int
    asked: str
    """Most frames, and the crop, as they were asked for."""
    frames: int
    width: int
    height: int
    psnr_y: float
    ssim_y: float
    temporal_psnr: float
    grid_ratio: float
    seconds: float
    lpips: float | None
    vmaf: float | None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same measurement."""
        return self.cell, self.method, self.asked


COLUMNS = [column.name for column in fields(Row)]


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV; none where there is no file. Raises `InputError` for other columns or damage."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != COLUMNS:
            raise InputError(f"{path}: not a table of this suite (columns {', '.join(COLUMNS)}); name another file")
        try:
            return latest(_parsed(entry) for entry in reader)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: damaged ({error}); remove its last lines or name another file") from error


def _parsed(entry: dict[str, str]) -> Row:
    kinds: dict[str, Callable[[str], Any]] = {
        "str": str,
        "int": int,
        "float": float,
        "float | None": lambda text: float(text) if text else None,
    }
    return Row(**{column.name: kinds[str(column.type)](entry[column.name]) for column in fields(Row)})


def latest(rows: Iterable[Row]) -> list[Row]:
    """Of several rows of one measurement the last, with what only earlier ones have."""
    by_key: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        earlier = by_key.get(row.key, row)
        lpips = earlier.lpips if row.lpips is None else row.lpips
        vmaf = earlier.vmaf if row.vmaf is None else row.vmaf
        by_key[row.key] = replace(row, lpips=lpips, vmaf=vmaf)
    return list(by_key.values())


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Add to a CSV, which begins with the names of the columns."""
    is_new = not path.exists() or not path.stat().st_size
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerows([getattr(row, name) for name in COLUMNS] for row in rows)


class Results:
    """Rows by cell and method, one of each."""

    def __init__(self, rows: Iterable[Row], methods: Sequence[str]) -> None:
        """``methods`` is the order of the columns."""
        self.by_cell: dict[str, dict[str, Row]] = {}
        for row in latest(rows):
            self.by_cell.setdefault(row.cell, {})[row.method] = row
        self.methods = [name for name in methods if any(name in row for row in self.by_cell.values())]

    def at_scale(self, scale: int) -> Results:
        """Those of one scale."""
        rows = [row for cell in self.by_cell.values() for row in cell.values() if row.scale == scale]
        return Results(rows, self.methods)

    def where(self, belongs: Callable[[Row], bool]) -> list[dict[str, Row]]:
        """The cells whose rows ``belongs`` accepts."""
        return [cell for cell in self.by_cell.values() if belongs(next(iter(cell.values())))]


def _mean(values: Iterable[float | None]) -> float | None:
    """None where there is none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def near_best(cells: Sequence[dict[str, Row]], method: str) -> int:
    """In how many ``method`` is within `NEAR_DB` of the best PSNR."""
    return sum(max(row.psnr_y for row in cell.values()) - cell[method].psnr_y <= NEAR_DB for cell in cells)


def groups_table(results: Results) -> str:
    """Mean PSNR of each treatment, camera and part, and how often ``auto`` is near the best method."""
    kinds: list[tuple[str, Callable[[Row], bool]]] = [
        *((name, lambda row, name=name: row.treatment == name) for name in TREATMENTS),
        *((f"{name} camera", lambda row, name=name: row.camera == name) for name in ("fixed", "moving")),
        ("all", lambda row: True),
    ]
    choice = ["auto"] if "auto" in results.methods else []
    lines = []
    for name, belongs in kinds:
        cells = results.where(belongs)
        if cells:
            means = [_shown(_mean(cell[m].psnr_y for cell in cells if m in cell), 2) for m in results.methods]
            best = _mean(max(row.psnr_y for row in cell.values()) for cell in cells)
            near = [f"{near_best([c for c in cells if m in c], m)} of {sum(m in c for c in cells)}" for m in choice]
            lines.append([name, str(len(cells)), *means, _shown(best, 2), *near])
    near_head = [f"auto within {NEAR_DB} of the best" for _ in choice]
    return _table(["PSNR of Y, dB", "cells", *results.methods, "best of each cell", *near_head], lines)


def methods_table(results: Results) -> str:
    """Every method: means of all figures, in how many cells it harms, and time over that of bicubic."""
    head = ["method", "cells", "PSNR", "SSIM", "temporal PSNR", "LPIPS", "VMAF", "grid ratio"]
    head += [
        f"grid over bicubic + {GRID_SLACK}",
        "below bicubic",
        f"below lanczos − {HARM_DB}",
        "CPU s a frame",
        "over bicubic",
    ]
    return _table(head, [_method_line(results, method) for method in results.methods])


def _method_line(results: Results, method: str) -> list[str]:
    cells = [cell for cell in results.by_cell.values() if method in cell]
    rows = [cell[method] for cell in cells]

    def count(other: str, is_bad: Callable[[Row, Row], bool]) -> str:
        pairs = [(cell[method], cell[other]) for cell in cells if other in cell]
        return str(sum(is_bad(row, base) for row, base in pairs)) if pairs else "–"

    base_seconds = math.fsum(cell["bicubic"].seconds for cell in cells if "bicubic" in cell)
    return [
        method,
        str(len(rows)),
        _shown(_mean(row.psnr_y for row in rows), 2),
        _shown(_mean(row.ssim_y for row in rows), 4),
        _shown(_mean(row.temporal_psnr for row in rows), 2),
        _shown(_mean(row.lpips for row in rows), 4),
        _shown(_mean(row.vmaf for row in rows), 1),
        _shown(_mean(row.grid_ratio for row in rows), 3),
        count("bicubic", lambda row, base: row.grid_ratio > base.grid_ratio + GRID_SLACK),
        count("bicubic", lambda row, base: row.psnr_y < base.psnr_y),
        count("lanczos", lambda row, base: row.psnr_y < base.psnr_y - HARM_DB),
        _shown(_mean(row.seconds for row in rows), 4),
        _shown(math.fsum(row.seconds for row in rows) / base_seconds if base_seconds else None, 1),
    ]


def _tables(results: Results) -> str:
    return f"{groups_table(results)}\n\n{methods_table(results)}"


def report(results: Results) -> str:
    """All tables, a heading for each scale."""
    parts = [(scale, results.at_scale(scale)) for scale in SCALES]
    return "\n\n".join(f"### ×{scale}\n\n{_tables(own)}" for scale, own in parts if own.by_cell)


def write_into(path: Path, results: Results, command: str) -> None:
    """Put the tables of each scale, and the ``command`` that makes them, between its marks in a Markdown file.

    Those of ×2: ``<!-- footage x2 -->`` and ``<!-- /footage x2 -->``. Raises `InputError` where they are missing.
    """
    text = path.read_text(encoding="utf-8")
    for scale in SCALES:
        own = results.at_scale(scale)
        if own.by_cell:
            begin, end = f"<!-- footage x{scale} -->\n", f"<!-- /footage x{scale} -->"
            before, begin, rest = text.partition(begin)
            _, end, after = rest.partition(end)
            if not end:
                raise InputError(f"{path}: no <!-- footage x{scale} --> followed by <!-- /footage x{scale} -->")
            text = f"{before}{begin}`{command}`\n\n{_tables(own)}\n{end}{after}"
    path.write_text(text, encoding="utf-8")
