"""Results of earlier runs, in a file that a crash cannot spoil: one JSON line each, appended in one write.

A line counts only if it is whole and its key is asked for again. The key covers everything that a result depends on,
so that a file may be shared by evaluations of all kinds, and stale lines do no harm.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import math
import os
from pathlib import Path
from types import TracebackType

from vsr.errors import MachineError, UsageError
from vsr.evaluation.records import ItemScore, Scores

__all__ = ["ResultStore", "code_digest", "result_key"]

_BEGINNING = b'{"key"'  # of a file of results, even where its first line was cut short
_LOGGER = logging.getLogger(__name__)


@functools.cache
def code_digest() -> str:
    """SHA-256 over vsr's own source files: results of other code are measured again."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def result_key(*parts: str | int | None) -> str:
    """SHA-256 that stands for ``parts``, this code included."""
    return hashlib.sha256(json.dumps([code_digest(), *parts]).encode()).hexdigest()


class ResultStore:
    """Item scores by key, in a JSON-lines file; without a path, only in memory."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, ItemScore] = {}
        self._file: int | None = None
        if path is not None:
            self._load(path)

    def __enter__(self) -> ResultStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def get(self, key: str) -> ItemScore | None:
        """What was found before."""
        return self._known.get(key)

    def put(self, key: str, score: ItemScore) -> None:
        """Keep it. Raises `MachineError` where the disk refuses."""
        self._known[key] = score
        if self._file is None:
            return
        values = {name: _write(value) for name, value in dataclasses.asdict(score.scores).items()}
        line = json.dumps({"key": key, "name": score.name, "num_frames": score.num_frames, "scores": values})
        try:
            os.write(self._file, f"{line}\n".encode())
        except OSError as error:
            raise MachineError(f"{self._path}: cannot be written ({error.strerror})") from error

    def _load(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise _not_there(path, error) from error
        damaged = 0
        for line in data.splitlines():
            try:
                entry = json.loads(line)
                scores = Scores(**{name: _read(value) for name, value in entry["scores"].items()})  # type: ignore[arg-type]
                self._known[entry["key"]] = ItemScore(entry["name"], entry["num_frames"], scores)
            except (ValueError, KeyError, TypeError, AttributeError):
                damaged += bool(line.strip())
        if data and not data.startswith(_BEGINNING):
            raise UsageError(f"{path}: holds no results of evaluations; name another place with --resume")
        if damaged:
            _LOGGER.warning("%s: %d damaged lines left out; what they held is measured again", path, damaged)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            if data and not data.endswith(b"\n"):  # cut short by a crash: what follows must not join it
                os.write(self._file, b"\n")
        except OSError as error:
            raise _not_there(path, error) from error


def _not_there(path: Path, error: OSError) -> MachineError:
    return MachineError(f"{path}: results cannot be kept there ({error.strerror}); name another place with --resume")


def _write(value: float | None) -> float | str | None:
    """Infinity as a word: JSON cannot hold it."""
    return "inf" if value == math.inf else value


def _read(value: float | str | None) -> float | None:
    return None if value is None else float(value)
