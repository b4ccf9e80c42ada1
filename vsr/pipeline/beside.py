"""Where the files about an output are: beside it, or in one hidden folder there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from vsr.media.images import place_of

__all__ = ["HIDDEN", "arrange", "find_beside", "output_place"]

HIDDEN = ".vsr"
"""Name of the folder."""


def find_beside(output: Path, suffix: str) -> Path:
    """The file about ``output`` whose name ends so: where it is, or beside the output where it is in neither place."""
    plain = place_of(output)
    plain = plain.with_name(f"{plain.name}{suffix}")
    hidden = plain.parent / HIDDEN / plain.name
    return hidden if hidden.is_file() and not plain.exists() else plain


def arrange(output: Path, paths: Iterable[Path], *, hidden: bool) -> None:
    """Move those of ``paths``, about ``output``, that are there into the hidden folder or beside it. Raises OSError."""
    plain = place_of(output).parent
    folder = plain / HIDDEN if hidden else plain
    for path in paths:
        if path.is_file() and path.parent != folder:
            folder.mkdir(exist_ok=True)
            os.replace(path, folder / path.name)


def output_place(record: Path, suffix: str) -> Path:
    """What the file ``record``, whose name ends so, is about."""
    folder = record.parent.parent if record.parent.name == HIDDEN else record.parent
    return folder / record.name.removesuffix(suffix)
