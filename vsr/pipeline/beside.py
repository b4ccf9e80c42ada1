"""Where the files about an output are: beside it, or in one hidden folder there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from vsr.media.images import place_of

__all__ = ["HIDDEN", "arrange", "find_beside", "output_place", "unexpected_beside"]

HIDDEN = ".vsr"
"""Name of the folder."""
_SUFFIXES = (".vsr.json", ".framemd5", ".data.zip")


def find_beside(output: Path, suffix: str) -> Path:
    """The file about ``output`` whose name ends so: where it is, or beside the output where it is in neither place."""
    plain = place_of(output)
    plain = plain.with_name(f"{plain.name}{suffix}")
    hidden = plain.parent / HIDDEN / plain.name
    return hidden if hidden.is_file() and not plain.exists() else plain


def unexpected_beside(output: Path) -> str:
    """What is in the place of the hidden folder and is not of ours, by name; empty where there is nothing such."""
    folder = place_of(output).parent / HIDDEN
    if not folder.exists():
        return ""
    if not folder.is_dir():
        return HIDDEN
    strangers = (entry.name for entry in folder.iterdir() if not entry.name.endswith(_SUFFIXES))
    return next((f"{HIDDEN}/{name}" for name in strangers), "")


def arrange(output: Path, paths: Iterable[Path], *, hidden: bool) -> None:
    """Move those of ``paths``, about ``output``, that are there into the hidden folder or beside it. Raises OSError."""
    plain = place_of(output).parent
    folder = plain / HIDDEN if hidden else plain
    for path in paths:
        if path.is_file() and path.parent != folder:
            folder.mkdir(exist_ok=True)
            os.replace(path, folder / path.name)


def output_place(record: Path, suffix: str) -> Path:
    """What the file ``record``, whose name ends so, is about: beside it, even in a folder that is called like ours."""
    beside = record.with_name(record.name.removesuffix(suffix))
    return beside.parent.parent / beside.name if record.parent.name == HIDDEN and not beside.exists() else beside
