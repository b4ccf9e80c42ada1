"""Which files belong to an output: itself, what lies beside it, and its source."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.errors import UsageError, VerificationError
from vsr.media.images import STREAMS_FILE, TIMING_FILE, find_images, is_image_sequence, is_numbered, place_of
from vsr.media.reading import is_there
from vsr.pipeline.beside import find_beside
from vsr.pipeline.manifest import output_files
from vsr.pipeline.objects import is_url
from vsr.stills.verify import is_still, still_places

__all__ = ["SOURCE_FOLDER", "Contents", "find_contents"]

SOURCE_FOLDER = "source"
"""Name, in the payload, of the folder with the sources."""

_BESIDE = (".vsr.json", ".input.framemd5", ".framemd5", ".data.zip", ".c2pa", ".report.html", ".preview.png")
"""What the names of files about an output end with."""


@dataclass(frozen=True)
class Contents:
    """An output and all that goes into a bag with it: where each file is, by its place in the payload."""

    name: str
    """Of the output: its file, or the folder of its images."""
    record: Mapping[str, Any]
    output: Mapping[str, Path]
    about: Mapping[str, Path]
    """Its record and the other files beside it."""
    source: Mapping[str, Path]
    """Empty where the source is left where it is."""
    source_path: str
    """Where the source is now: a path, a URL, or ``-`` for a pipe."""
    is_sequence: bool
    """Whether the output is numbered images."""

    @property
    def files(self) -> dict[str, Path]:
        """All of them."""
        return {**self.output, **self.about, **self.source}

    @property
    def source_place(self) -> str:
        """The source's place in the payload; empty where it is not in there."""
        names = {place.split("/")[1] for place in self.source}
        return f"{SOURCE_FOLDER}/{names.pop()}" if names else ""

    @property
    def digests(self) -> dict[str, str]:
        """What the record says of files in the payload: SHA-256 by place."""
        recorded = list(self.record["output"]["files"].values())
        found = dict(zip(self.output, recorded, strict=True))
        if self.source and self.record["input"]["sha256"] is not None:
            found |= dict.fromkeys(self.source, self.record["input"]["sha256"])
        return found


def find_contents(output: Path, record: Mapping[str, Any], source: Path | None, *, with_source: bool) -> Contents:
    """What belongs to ``output``, whose sealed record is ``record``; ``source`` is where its input is now.

    Raises `UsageError` where the source is to go along and is not here, `VerificationError` where files are missing.
    """
    is_sequence = is_numbered(output)
    place = place_of(output)
    if is_still(record):
        own = {path.name: path for path in still_places(output, record).values()}
    elif is_sequence:
        own = {f"{place.name}/{path.name}": path for path in output_files(output)}
    else:
        own = {output.name: output}
    recorded = record["output"]["files"]
    if len(own) != len(recorded):
        raise VerificationError(f"{output}: {len(own)} files, and {len(recorded)} in its record")
    if is_sequence:  # in the record's order, whatever that of the folder is
        own = {f"{place.name}/{Path(name).name}": place / Path(name).name for name in recorded}
    beside = (find_beside(output, suffix) for suffix in _BESIDE)
    said = record["input"]["path"] if source is None else str(source)
    return Contents(
        name=place.name,
        record=record,
        output=own,
        about={path.name: path for path in beside if path.is_file()},
        source=_find_source(output, said) if with_source else {},
        source_path=said,
        is_sequence=is_sequence,
    )


def _find_source(output: Path, said: str) -> dict[str, Path]:
    if said == "-":
        raise UsageError(f"{output}: was made from a pipe, so there is no source to include")
    if is_url(said):
        raise UsageError(f"{output}: its source is {said}; copy it here and name it by --input, to include it")
    path = Path(said)
    if not is_there(path):
        raise UsageError(f"{output}: its source {said} is not here; name it by --input, to include it")
    if not is_image_sequence(path):
        return {f"{SOURCE_FOLDER}/{path.name}": path}
    folder = Path(os.path.abspath(path if path.is_dir() else path.parent))  # ``..`` is no name in a bag
    extra = [folder / name for name in (TIMING_FILE, STREAMS_FILE)]
    images = [*find_images(path), *(entry for entry in extra if entry.is_file())]
    return {f"{SOURCE_FOLDER}/{folder.name}/{entry.name}": entry for entry in images}
