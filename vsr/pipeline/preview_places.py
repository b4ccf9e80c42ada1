"""Where previews go: one image for all outputs, one for each in a folder, or one beside each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vsr.errors import MachineError, UsageError
from vsr.media.images import is_numbered
from vsr.pipeline.objects import is_url
from vsr.pipeline.preview import is_preview
from vsr.pipeline.publishing import refuse_special

__all__ = ["preview_places"]

_SUFFIX = ".png"


def preview_places(outputs: Sequence[str | Path], requested: str | Path | bool) -> list[Path | None]:
    """The preview of each output, absolute, so that workers elsewhere mean the same file.

    ``requested`` as in `vsr.api.upscale`. Makes the folder where one is named. Raises `UsageError` for what is neither
    a PNG nor a folder or would replace an image that is not a preview, `MachineError` where nothing can be written.
    """
    places = _places(outputs, requested)
    for place in places:
        if place is not None:
            _check_free(place)
    return places


def _places(outputs: Sequence[str | Path], requested: str | Path | bool) -> list[Path | None]:
    if isinstance(requested, bool):
        return [_beside(output) if requested else None for output in outputs]
    path = Path(requested).absolute()
    if path.suffix.lower() == _SUFFIX and not path.is_dir():
        _check(path.parent)
        return [path] * len(outputs)
    if path.is_file() or (path.suffix and not path.is_dir()):
        raise UsageError(f"preview {requested} is neither a .png nor a folder")
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot make preview folder {requested}: {error.strerror}") from error
    _check(path)
    return [path / f"{_name(output)}{_SUFFIX}" for output in outputs]


def _beside(output: str | Path) -> Path:
    if is_url(output):
        raise UsageError(f"{output}: previews are files; name one with --preview FILE.png")
    place = Path(output).absolute()
    folder = place.parent.parent if is_numbered(place) else place.parent
    return folder / f"{_name(output)}.preview{_SUFFIX}"


def _name(output: str | Path) -> str:
    """Of the output; an image sequence's is that of its folder."""
    if is_url(output):
        return str(output).rpartition("/")[2]
    place = Path(output)
    return place.absolute().parent.name if is_numbered(place) else place.name


def _check_free(place: Path) -> None:
    refuse_special(place)
    try:
        is_taken = place.exists() and not is_preview(place)
    except OSError as error:
        raise MachineError(f"preview {place}: {error.strerror or error}") from error
    if is_taken:
        raise UsageError(f"preview {place} exists and is not a preview of an earlier run; name another file")


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise MachineError(f"preview folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise MachineError(f"preview folder {folder} is not writable")
