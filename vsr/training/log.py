"""The log of a run: one JSON object a line, for programs and for the curves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vsr.errors import MachineError
from vsr.training.checkpoint import write_whole

__all__ = ["LOG", "Log"]

LOG = "log.jsonl"
"""In the folder of a run."""


class Log:
    """Lines on disk, each with its ``step``; those after the checkpoint are dropped when a run goes on."""

    def __init__(self, folder: Path, done: int) -> None:
        self._path = folder / LOG
        self.lines = [line for line in _read(self._path) if line["step"] <= done]
        write_whole(self._path, "".join(json.dumps(line) + "\n" for line in self.lines).encode())

    def add(self, step: int, values: Mapping[str, Any]) -> None:
        """One more line, unless one of this step with the same keys is there."""
        line = {"step": step, **values}
        if any(other["step"] == step and other.keys() == line.keys() for other in self.lines):
            return
        self.lines.append(line)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise MachineError(f"{self._path}: cannot be written ({error.strerror or error})") from error


def _read(path: Path) -> list[dict[str, Any]]:
    """Whole lines; one that a kill cut short is left out."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            found.append(line)
    return found
