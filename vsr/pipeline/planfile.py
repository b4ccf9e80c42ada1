"""A planned segment on its way to a worker: a small file in the work folder, so that no process holds them all."""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from typing import Any

from vsr.errors import MachineError
from vsr.media.color import ColorTags
from vsr.media.decode import FrameRecord
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.storage import WorkFolder
from vsr.timeline import Segment

__all__ = ["load_plan", "store_plan"]

_FIELDS = tuple(field.name for field in dataclasses.fields(FrameRecord))


def _rows(records: tuple[FrameRecord, ...]) -> list[list[Any]]:
    return [[getattr(record, name) for name in _FIELDS] for record in records]


def _record(row: list[Any]) -> FrameRecord:
    """JSON knows no tuples."""
    values = dict(zip(_FIELDS, row, strict=True))
    return FrameRecord(**values | {"aspect": tuple(values["aspect"]), "tags": ColorTags(*values["tags"])})


def store_plan(work: WorkFolder, planned: PlannedSegment) -> str:
    """Write ``planned`` under a name of its own and return that name. Raises `MachineError` on a full disk."""
    name = f"plan-{planned.segment.index:06d}-{uuid.uuid4().hex}.json"
    data = {
        "segment": dataclasses.asdict(planned.segment),
        "records": _rows(planned.records),
        "calibration": _rows(planned.calibration),
        "next_pts": planned.next_pts,
    }
    try:
        work.make_copy()
        part = work.path / f"{name}.tmp"
        part.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
        os.replace(part, work.path / name)
    except OSError as error:
        raise MachineError(f"cannot write plan in {work.path}: {error.strerror or error}") from error
    work.commit(work.path / name)
    return name


def load_plan(work: WorkFolder, name: str) -> PlannedSegment:
    """The segment stored as ``name``. Raises `MachineError` where it cannot be read."""
    try:
        file = work.fetch(name)
        data = json.loads(file.read_text(encoding="utf-8"))
        work.forget(name)
    except (OSError, ValueError) as error:
        raise MachineError(f"cannot read {name} in {work}: {error}") from error
    records, calibration = (tuple(_record(row) for row in data[part]) for part in ("records", "calibration"))
    return PlannedSegment(Segment(**data["segment"]), records, calibration, data["next_pts"])
