"""Several files as one piece of work: what an earlier run finished, and the summary that is left at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vsr.errors import MachineError, VsrError
from vsr.media.images import STREAMS_FILE, TIMING_FILE, find_images, is_image_sequence
from vsr.media.reading import wants_rate
from vsr.methods import Pair
from vsr.pipeline.kept import find_kept_url
from vsr.pipeline.manifest import find_manifest
from vsr.pipeline.matching import follow_mark
from vsr.pipeline.objects import find_object, is_url, join_url, write_object
from vsr.pipeline.request import Outcome, Request
from vsr.pipeline.settings import changed_weights
from vsr.pipeline.sidecar import canonical, file_digest, write_atomically
from vsr.pipeline.streams import find_kept_path

__all__ = ["BATCH_FILE", "Skipped", "is_done", "write_batch"]

BATCH_FILE = "batch.json"


@dataclass(frozen=True)
class Skipped:
    """Something in a folder or a list of inputs that is not an input."""

    path: str
    """A path, or a URL."""
    reason: str


def is_done(request: Request) -> Outcome | None:
    """The outcome of an earlier run that made just this from this input as it still is; None where there is none."""
    try:
        manifest = find_manifest(request.output)
        request = _follow(request, manifest)
        source = Path(request.source)
        written = datetime.fromisoformat(manifest["written"]).timestamp() + 1  # it is in whole seconds
        started = datetime.fromisoformat(manifest["begun"]).timestamp() if "begun" in manifest else written
        requested = json.loads(json.dumps([_settings(request), canonical(request.options), canonical(request.span)]))
        settings = {"passes": []} | manifest["settings"] | {"sidecars": request.settings.sidecars}  # older know neither
        settings = settings if _wants_rate(request) else settings | {"fps": None}
        same = [settings, manifest["method"]["options"], manifest["span"]] == requested
        same = same and _is_output_as_made(request.output, manifest["output"], written)
        if not is_url(request.source):
            same = same and manifest["input"]["path"] == str(source.absolute())
            same = same and _is_input_as_read(source, manifest["input"], started)
        else:
            there = find_object(str(request.source))
            same = same and manifest["input"]["path"] == str(request.source)
            same = same and there is not None and manifest["input"]["version"] == there.version
        same = same and changed_weights(request.settings, manifest["method"]) is None
    except (VsrError, OSError, KeyError, ValueError, TypeError):
        return None  # nothing there, or nothing that can be relied on: the run itself says so
    return Outcome(request.source, request.output, manifest, was_done=True) if same else None


def _follow(request: Request, manifest: Mapping[str, Any]) -> Request:
    """``request`` with the method that the source's mark chose, where it did; see `follow_mark`."""
    pair = manifest["method"].get("pair")
    if pair is None:
        return request
    settings, options = follow_mark(Pair(**pair), request.settings, request.options, str(request.source))
    return replace(request, settings=settings, options=options)


def _settings(request: Request) -> dict[str, Any]:
    """Those that count: a rate is for what has no times, and means nothing to the other videos of a batch."""
    settings = request.settings.model_dump()
    return settings if _wants_rate(request) else settings | {"fps": None}


def _wants_rate(request: Request) -> bool:
    return is_url(request.source) or wants_rate(Path(request.source))


def _is_input_as_read(source: Path, recorded: Mapping[str, Any], started: float) -> bool:
    """Whether a source is, by sizes and times, what it was; of images each counts, and so does their number.

    A file that changed after the run had ``started`` to read it is read again and compared by digest.
    """
    if not is_image_sequence(source):
        if source.stat().st_size != recorded["size_bytes"]:
            return False
        return _are_older([source], started) or file_digest(source) == recorded["sha256"]
    images = find_images(source)
    if len(images) != recorded["video"]["num_frames_from_header"] or _size_bytes(images) != recorded["size_bytes"]:
        return False
    folder = source if source.is_dir() else source.parent
    beside = [place for name in (TIMING_FILE, STREAMS_FILE) if (place := folder / name).exists()]
    return _are_older([*images, *beside, *([source] if source.is_dir() else [])], started)


def _is_output_as_made(output: str | Path, recorded: Mapping[str, Any], written: float) -> bool:
    """Whether the output, and what was kept beside it, is what was made."""
    kept = recorded.get("kept")
    if is_url(output):
        objects = [(str(output), recorded), *([(find_kept_url(str(output)), kept)] if kept is not None else [])]
        return all(_is_object_as_made(*one) for one in objects)
    files = {Path(output).parent / name: digest for name, digest in recorded["files"].items()}
    if not _are_files_as_made(files, recorded.get("size_bytes"), written):
        return False
    if kept is None:
        return True
    return _are_files_as_made({find_kept_path(Path(output)): kept["sha256"]}, kept.get("size_bytes"), written)


def _is_object_as_made(url: str, recorded: Mapping[str, Any]) -> bool:
    there = find_object(url)
    return there is not None and recorded.get("size_bytes") in (None, there.size_bytes)


def _are_files_as_made(files: Mapping[Path, str], size_bytes: int | None, written: float) -> bool:
    """By sizes and times; those of a later time are read and compared by digest.

    So are those whose record tells no size, as those of earlier versions do.
    """
    if size_bytes is not None and _size_bytes(files) != size_bytes:
        return False
    if size_bytes is not None and _are_older(files, written):
        return True
    return all(file_digest(path) == digest for path, digest in files.items())


def _size_bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _are_older(paths: Iterable[Path], moment: float) -> bool:
    return all(path.stat().st_mtime < moment for path in paths)


def write_batch(
    folder: str | Path,
    requests: Sequence[Request],
    resolved: Mapping[str | Path, Outcome],
    skipped: Sequence[Skipped] = (),
) -> None:
    """Write ``batch.json`` into the output folder: one entry for every input, and what was ``skipped``.

    Raises `MachineError`.
    """
    entries = [_entry(request, resolved.get(request.output)) for request in requests]
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry["status"]] = counts.get(entry["status"], 0) + 1
    summary = {
        "format": 1,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": counts,
        "files": entries,
        "skipped": [asdict(one) for one in skipped],
    }
    text = json.dumps(summary, indent=1) + "\n"
    if not is_url(folder):
        try:
            write_atomically(Path(folder) / BATCH_FILE, text)
        except OSError as error:
            place = Path(folder) / BATCH_FILE
            raise MachineError(f"{place}: cannot be written ({error.strerror or error})") from error
        return
    write_object(join_url(str(folder), BATCH_FILE), text.encode())


def _entry(request: Request, outcome: Outcome | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"input": str(request.source), "output": str(request.output)}
    if outcome is None:
        return entry | {"status": "unfinished"}
    if outcome.error is not None:
        return entry | {"status": "failed", "error": str(outcome.error), "exit_code": outcome.error.exit_code}
    assert outcome.manifest is not None
    entry |= {"status": "done before" if outcome.was_done else "done"}
    return entry | {
        "num_frames": outcome.manifest["times"]["num_frames"],
        "seconds": outcome.manifest["seconds"],
        "num_segments": len(outcome.manifest["segments"]),
        "damage": {key: value for key, value in outcome.manifest["damage"].items() if key != "events"},
    }
