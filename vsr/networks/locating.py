"""From what the user typed to a file of weights.

A path is something with a folder separator or a suffix of weights. Anything else is a name: ``NAME-xS.EXT``, or
``NAME.EXT`` for a file that serves several scales: among what ships with vsr, in the folders of ``VSR_MODELS``, in the
cache. What ships comes first, so that a preset means the same weights everywhere; weights of one's own get other names.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vsr.errors import ModelError

__all__ = ["SHIPPED", "SUFFIXES", "find_weights", "is_path", "model_folders", "scale_in_name", "search_folders"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".mat", ".param", ".caffemodel", ".params", ".index")
"""Of files of weights; of two that differ only in this, the earlier is taken."""


SHIPPED = Path(__file__).with_name("weights")
"""Folder of the weights that ship with vsr, each with its model card beside it."""


def model_folders() -> tuple[Path, ...]:
    """Where users put weights: the folders of ``$VSR_MODELS`` (as ``PATH``), then ``$XDG_CACHE_HOME/vsr/models``."""
    named = [Path(part).expanduser() for part in os.environ.get("VSR_MODELS", "").split(os.pathsep) if part]
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return (*named, Path(cache) / "vsr" / "models")


def search_folders() -> tuple[Path, ...]:
    """Where names are looked up, in order: `SHIPPED`, then `model_folders`."""
    return (SHIPPED, *model_folders())


def is_path(name_or_path: str) -> bool:
    """Whether it is a path rather than a name."""
    separators = [mark for mark in (os.sep, os.altsep) if mark]
    return any(mark in name_or_path for mark in separators) or Path(name_or_path).suffix.lower() in SUFFIXES


def scale_in_name(path: Path) -> int | None:
    """The magnification that a file name gives, as ``x2``, ``-x3``, ``_x4`` or ``4x``; None if none or several."""
    found = re.findall(r"(?<![A-Za-z0-9])(?:[xX]([2-8])|([2-8])[xX])(?![A-Za-z0-9])", path.stem)
    scales = {int(first or second) for first, second in found}
    return scales.pop() if len(scales) == 1 else None


def _find_named(name: str) -> list[tuple[int | None, Path]]:
    """Scale (None: not in the name) and file, for each scale the first in order of folders and suffixes."""
    files: dict[int | None, Path] = {}
    for folder in search_folders():
        for suffix in SUFFIXES:
            candidates: list[tuple[int | None, Path]] = [
                (scale, folder / f"{name}-x{scale}{suffix}") for scale in range(2, 9)
            ]
            for scale, path in [*candidates, (None, folder / f"{name}{suffix}")]:
                if scale not in files and path.is_file():
                    files[scale] = path
    return list(files.items())


def find_weights(name_or_path: str) -> list[tuple[int | None, Path]]:
    """The files meant, each with the scale in its name (None: a file for several); at least one, else `ModelError`.

    A path is given back as it is, without looking whether it is there.
    """
    if is_path(name_or_path):
        path = Path(name_or_path).expanduser()
        return [(scale_in_name(path), path)]
    files = _find_named(name_or_path)
    if not files:
        places = ", ".join(str(folder) for folder in model_folders())
        suffixes = ", ".join(SUFFIXES)
        raise ModelError(
            f"no weights called {name_or_path!r}: looked for {name_or_path}-xS (S: the scale) and {name_or_path}, with "
            f"{suffixes}, in {places}; put a file there, name its folder in VSR_MODELS, or give a path"
        )
    return files
