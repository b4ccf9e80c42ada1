"""The folder of a run: whose it is, and what has been decided for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vsr.errors import MachineError, UsageError, WorkFolderBusy
from vsr.training.checkpoint import write_whole
from vsr.training.config import NOT_DECIDING, TrainingConfig

__all__ = ["RECORD", "STAGE", "claim", "locked", "read_record"]

RECORD = "run.json"
"""What decides a run, in its folder."""

STAGE = "stage-"
"""How folders begin that hold the stages of a curriculum, inside that of the run."""

_LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other training runs; it is made if missing. Raises `WorkFolderBusy` if one holds it."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise WorkFolderBusy(f"{folder}: another run trains into it; wait for it, or choose another --out") from error
    except OSError as error:
        raise MachineError(f"{folder}: cannot be used ({error.strerror or error}); choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def read_record(folder: Path) -> dict[str, Any] | None:
    """What an earlier part of a run wrote; None if there was none. `UsageError` for a folder of something else."""
    path = folder / RECORD
    if not path.exists():
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        others = [name for name in names if name != _LOCK and not name.startswith(STAGE)]
        if others:
            raise UsageError(f"{folder}: holds other things ({sorted(others)[0]}) and no run; choose another --out")
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return dict(record)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: is not a record of a training run; choose another --out") from error


def claim(folder: Path, config: TrainingConfig, facts: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """Write what decides the run, or compare it with what an earlier part wrote.

    Raises `UsageError` with the first thing that differs.
    """
    deciding = json.loads(config.model_dump_json(exclude=set(NOT_DECIDING)))
    record = json.loads(json.dumps({**{f"config.{key}": value for key, value in deciding.items()}, **facts}))
    record = _of_any_place(folder, record)
    if before is None:
        write_whole(folder / RECORD, json.dumps(record, indent=1).encode() + b"\n")
        return
    before = _of_any_place(folder, before)  # earlier versions wrote the whole path
    for key in sorted({*record, *before}):
        if record.get(key) != before.get(key):
            name = key.removeprefix("config.")
            raise UsageError(
                f"{folder}: belongs to a run with {name} {_short(before.get(key))}, now it is "
                f"{_short(record.get(key))}; give the same, or choose another --out"
            )


def _of_any_place(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """The same once the run is moved: weights of a stage before this one are named from the folder of the run."""
    named, here = Path(record.get("config.start_from") or ""), folder.absolute()
    if named.parent.name.startswith(STAGE) and named.parent.parent in (here, here.parent):
        return {**record, "config.start_from": f"{named.parent.name}/{named.name}"}
    return dict(record)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
