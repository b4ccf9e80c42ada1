"""Several files as one piece of work: what an earlier run finished, and the summary that is left at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vsr.errors import VsrError
from vsr.pipeline.manifest import load_manifest, output_files
from vsr.pipeline.objects import find_object, is_url, join_url, read_object, write_object
from vsr.pipeline.request import Outcome, Request
from vsr.pipeline.sidecar import canonical, write_atomically
from vsr.restorers.model import has_same_weights

__all__ = ["BATCH_FILE", "is_done", "write_batch"]

BATCH_FILE = "batch.json"


def is_done(request: Request) -> Outcome | None:
    """The outcome of an earlier run that made just this from this input as it still is; None where there is none."""
    try:
        manifest = _manifest_of(request)
        source, written = Path(request.source), datetime.fromisoformat(manifest["written"]).timestamp()
        wanted = json.loads(
            json.dumps([request.settings.model_dump(), canonical(request.options), canonical(request.span)])
        )
        same = [manifest["settings"], manifest["method"]["options"], manifest["span"]] == wanted
        if not is_url(request.source):
            facts = source.stat()
            size = manifest["input"]["size_bytes"]
            same = same and manifest["input"]["path"] == str(source.absolute())
            same = same and (source.is_dir() or facts.st_size == size) and int(facts.st_mtime) <= written
        else:
            there = find_object(str(request.source))
            same = same and manifest["input"]["path"] == str(request.source)
            same = same and there is not None and manifest["input"]["version"] == there.version
        same = same and has_same_weights(request.settings.method, manifest["method"]["model"])
    except (VsrError, OSError, KeyError, ValueError, TypeError):
        return None  # nothing there, or nothing that can be relied on: the run itself says so
    return Outcome(request.source, request.output, manifest, was_done=True) if same else None


def _manifest_of(request: Request) -> dict[str, Any]:
    if not is_url(request.output):
        output = Path(request.output)
        output_files(output)[0].stat()
        return load_manifest(output)
    text = read_object(f"{request.output}.vsr.json")
    if text is None or find_object(str(request.output)) is None:
        raise FileNotFoundError(request.output)
    return dict(json.loads(text))


def write_batch(folder: str | Path, requests: Sequence[Request], settled: Mapping[str | Path, Outcome]) -> None:
    """Write ``batch.json`` into the output folder: one entry for every input."""
    entries = [_entry(request, settled.get(request.source)) for request in requests]
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry["status"]] = counts.get(entry["status"], 0) + 1
    summary = {
        "format": 1,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": counts,
        "files": entries,
    }
    text = json.dumps(summary, indent=1) + "\n"
    if not is_url(folder):
        write_atomically(Path(folder) / BATCH_FILE, text)
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
