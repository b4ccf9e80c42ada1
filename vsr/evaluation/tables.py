"""An evaluation as Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from vsr.evaluation.records import Evaluation, Scores, SetScore

__all__ = ["TableFormat", "render"]

TableFormat = Literal["markdown", "csv", "json"]

_COLUMNS = {
    "psnr_y": ("PSNR-Y", 2),
    "ssim_y": ("SSIM-Y", 4),
    "lr_psnr": ("LR-PSNR", 2),
    "temporal_psnr_y": ("temporal PSNR-Y", 2),
    "lpips": ("LPIPS", 4),
    "diversity": ("diversity", 2),
    "seconds": ("s / image", 3),
}
_LEFT = (0, 2)  # columns of text
_DIGITS = 6  # of CSV and JSON


def render(evaluation: Evaluation, style: TableFormat) -> str:
    """The whole of it as text that ends in a newline. JSON holds every image, the others the means of the sets."""
    if style == "json":
        return json.dumps(_document(evaluation), indent=1, allow_nan=False) + "\n"
    if style == "csv":
        return _csv(evaluation)
    return _markdown(evaluation)


def _round(value: float | None) -> float | None:
    """For JSON: null for infinity, which JSON lacks."""
    return None if value is None or math.isinf(value) else round(value, _DIGITS)


def _fields(scores: Scores) -> dict[str, float | None]:
    """What was measured; the rest is left out."""
    given = {name: _round(value) for name, value in dataclasses.asdict(scores).items() if value is not None}
    given["seconds_per_picture"] = given.pop("seconds")
    return given


def _document(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "protocol": dict(evaluation.protocol),
        "environment": dict(evaluation.environment),
        "results": [_result(result) for result in evaluation.results],
    }


def _result(result: SetScore) -> dict[str, Any]:
    return {
        "method": result.method,
        "description": result.description,
        "digest": result.digest,
        "scale": result.scale,
        "data": result.data,
        "num_items": len(result.items),
        "num_frames": sum(item.num_frames for item in result.items),
        **_fields(result.mean),
        "items": [{"name": item.name, "num_frames": item.num_frames, **_fields(item.scores)} for item in result.items],
    }


def _csv(evaluation: Evaluation) -> str:
    text = io.StringIO()
    names = ["method", "scale", "data", "num_items", "num_frames", *_COLUMNS]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([{"seconds": "seconds_per_picture"}.get(name, name) for name in names])
    for result in evaluation.results:
        values = [getattr(result.mean, name) for name in _COLUMNS]
        frames = sum(item.num_frames for item in result.items)
        cells = ["" if value is None else round(value, _DIGITS) for value in values]
        writer.writerow([result.method, result.scale, result.data, len(result.items), frames, *cells])
    return text.getvalue()


def _markdown(evaluation: Evaluation) -> str:
    means = [result.mean for result in evaluation.results]
    shown = [name for name in _COLUMNS if any(getattr(mean, name) is not None for mean in means)]
    labels = _labels([result.method for result in evaluation.results])
    rows = [["method", "scale", "data", *(_COLUMNS[name][0] for name in shown)]]
    for result, mean in zip(evaluation.results, means, strict=True):
        cells = [_cell(getattr(mean, name), _COLUMNS[name][1]) for name in shown]
        rows.append([labels[result.method], f"×{result.scale}", _escape(result.data), *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    rule = "|".join(
        ":" + "-" * (width + 1) if n in (0, 2) else "-" * (width + 1) + ":" for n, width in enumerate(widths)
    )
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]]) + "\n"


def _labels(methods: Sequence[str]) -> dict[str, str]:
    """What a table calls each: files by their name alone, where that is enough to tell them apart."""
    short = {method: Path(method).name for method in methods}
    count = Counter(short.values())
    chosen = {method: name if count[name] == 1 else method for method, name in short.items()}
    return {method: _escape(name) for method, name in chosen.items()}


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def _line(row: list[str], widths: list[int]) -> str:
    cells = [
        text.ljust(width) if number in _LEFT else text.rjust(width)
        for number, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
    return f"| {' | '.join(cells)} |"


def _cell(value: float | None, digits: int) -> str:
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"
