"""Checking a still against its record, and making it again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vsr.errors import InputError, VerificationError
from vsr.media.damage import Damage
from vsr.media.grabbing import grab_frames
from vsr.media.images import read_samples
from vsr.media.reading import is_there
from vsr.pipeline.differences import between_planes, describe_elsewhere, meaning
from vsr.pipeline.manifest import unsigned_files
from vsr.pipeline.seal import read_sealed
from vsr.pipeline.sidecar import device_class, file_digest, software_versions
from vsr.pipeline.verify import Check, check_credentials
from vsr.stills.make import OnStep
from vsr.stills.options import Source
from vsr.stills.record import FORMAT, KIND
from vsr.stills.run import options_of, remake
from vsr.stills.write import StillFiles, record_path

__all__ = ["is_still", "still_places", "verify_still"]

_NAMED = 5
_NEEDED = ("input.path", "input.sha256", "request.fps", "output.path", "output.files", "frames", "device", "versions")


def is_still(record: Mapping[str, Any]) -> bool:
    """Whether a record is a still's."""
    return record.get("kind") == KIND


def verify_still(
    output: Path, source: Path | None = None, *, recompute: bool, on_step: OnStep = lambda what, done: None
) -> list[Check]:
    """Compare the still ``output``, its maps and its input with its record; with ``recompute`` make it again too.

    ``source`` is where the input is now, if not where the record says.
    Raises `VerificationError` where there is no record, or one of another version; differences are returned.
    """
    path = record_path(output)
    record, problem = read_sealed(path)
    if problem:
        return [Check("record", False, f"{path.name} {problem}")]
    if record.get("format") not in (1, FORMAT) or not is_still(record):
        raise VerificationError(f"{path}: is not a still's record of format {FORMAT}; use the vsr that wrote it")
    lacking = [name for name in _NEEDED if not _holds(record, name)]
    if lacking:
        raise VerificationError(f"{path}: does not say {', '.join(lacking)}; it is not a record of this version of vsr")
    source = source or Path(record["input"]["path"])
    own_input = _input(record, source)
    checks = [
        Check("record", True, "its own digest"),
        _files(output, record),
        *check_credentials(output, record),
        own_input,
    ]
    if recompute:
        if not own_input.passed or not is_there(source):
            checks.append(Check("made again", False, f"not made: {own_input.detail}"))
        else:
            checks.append(_reproduce(output, record, remake(record, source, _name(output, record), on_step)))
    return checks


def _holds(record: Mapping[str, Any], name: str) -> bool:
    """Whether there is a field ``name``, with dots for fields of fields."""
    first, _, rest = name.partition(".")
    return first in record and (not rest or (isinstance(record[first], dict) and _holds(record[first], rest)))


def _name(output: Path, record: Mapping[str, Any]) -> Path:
    """``output`` under the name in the record: a renamed still is still the still."""
    return output.with_name(Path(record["output"]["path"]).name)


def _place(output: Path, record: Mapping[str, Any], name: str) -> Path:
    """Where the recorded file ``name`` is, if the still was renamed and its maps with it."""
    recorded = Path(record["output"]["path"])
    if name == recorded.name:
        return output
    return output.with_name(output.stem + name.removeprefix(recorded.stem))


def still_places(output: Path, record: Mapping[str, Any]) -> dict[str, Path]:
    """Where the image and the maps of a still are, by the names in its record."""
    return {name: _place(output, record, name) for name in record["output"]["files"]}


def _files(output: Path, record: Mapping[str, Any]) -> Check:
    recorded: Mapping[str, str] = record["output"]["files"]
    places = still_places(output, record)
    missing = [path.name for path in places.values() if not path.is_file()]
    changed = [path.name for name, path in places.items() if path.is_file() and file_digest(path) != recorded[name]]
    problems = [f"{', '.join(names)}: {what}" for names, what in ((changed, "changed"), (missing, "missing")) if names]
    if problems:
        return Check("output bytes", False, "; ".join(problems))
    return Check("output bytes", True, f"{len(recorded)} files, SHA-256")


def _input(record: Mapping[str, Any], path: Path) -> Check:
    recorded = record["input"]["sha256"]
    if not is_there(path):
        return Check("input", True, f"not compared: {path} is not here")
    if recorded is not None and path.is_file() and file_digest(path) == recorded:
        return Check("input", True, "SHA-256")
    changed = _check_frames(path, record)
    if recorded is None:
        return Check("input", not changed, changed or f"{len(record['frames'])} decoded frames")
    words = changed or "none of the frames looked at differs"
    return Check("input", False, f"{path} is not the file that the still was made from; {words}")


def _check_frames(path: Path, record: Mapping[str, Any]) -> str:
    """Which of the frames that were looked at decode differently now; empty for none."""
    recorded = {frame["ordinal"]: frame["md5"] for frame in record["frames"]}
    options = options_of(record["request"])
    last = max(recorded)
    found = {}
    try:
        request = record["request"]
        info = Source(path, request["fps"], request.get("video_stream")).probe()
        for grabbed in grab_frames(
            info, options.decoder_threads, Damage(), lambda r: r.ordinal in recorded, progressive=False
        ):
            found[grabbed.record.ordinal] = grabbed.md5
            if grabbed.record.ordinal >= last:
                break
    except InputError as error:
        return f"it cannot be read any more ({error})"
    changed = [str(ordinal) for ordinal, md5 in recorded.items() if found.get(ordinal) != md5]
    if not changed:
        return ""
    more = " …" if len(changed) > _NAMED else ""
    return f"{len(changed)} of the {len(recorded)} frames looked at differ: {', '.join(changed[:_NAMED])}{more}"


def _reproduce(output: Path, record: Mapping[str, Any], made: StillFiles) -> Check:
    """The files made again against those recorded."""
    what, recorded = "made again", unsigned_files(record)
    if {name: hashlib.sha256(data).hexdigest() for name, data in made.files.items()} == recorded:
        return Check(what, True, f"identical bytes, {len(recorded)} files")
    elsewhere = describe_elsewhere(record, device_class("cpu"), software_versions())
    words, rounding = [], True
    for name, planes in made.planes.items():
        path = _place(output, record, name)
        if not path.is_file() or file_digest(path) != recorded[name]:
            return Check(what, False, f"other bytes, and {path.name} is not here as it was recorded to compare with")
        difference = between_planes(read_samples(path), planes)
        words.append(f"{name}: {difference}")
        rounding &= difference.is_rounding
    detail = f"{'; '.join(words)}{elsewhere}{meaning(is_rounding=rounding, elsewhere=elsewhere)}"
    return Check(what, rounding and bool(elsewhere), detail)
