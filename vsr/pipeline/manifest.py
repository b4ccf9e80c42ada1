"""The manifest beside each output: what went in, what was done, what came out, and how to check it again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vsr.errors import VerificationError
from vsr.media.ffmpeg import ffmpeg_version
from vsr.media.images import is_numbered
from vsr.media.inspect import StreamDigest
from vsr.methods.consistency import assumed_degradation
from vsr.methods.findings import mean_findings
from vsr.pipeline.assemble import Assembled
from vsr.pipeline.beside import find_beside
from vsr.pipeline.job import Job
from vsr.pipeline.objects import is_url, read_object
from vsr.pipeline.provenance import sentence
from vsr.pipeline.renamed_keys import OLDEST_FORMAT, rename_keys
from vsr.pipeline.seal import read_sealed, record_pieces, seal
from vsr.pipeline.sidecar import (
    SegmentResult,
    canonical,
    describe_encoder,
    device_class,
    file_digest,
    software_versions,
    write_atomically,
)
from vsr.pipeline.source import SourceSummary

__all__ = [
    "FORMAT",
    "OutputFiles",
    "describe_run",
    "find_manifest",
    "load_manifest",
    "manifest_path",
    "output_files",
    "unsigned_files",
    "with_current_keys",
    "write_manifest",
]

FORMAT = 3
"""Version of the manifest's layout."""


def manifest_path(output: Path) -> Path:
    """Where the manifest of ``output`` is: beside the file or an image sequence's folder, or in the hidden folder."""
    return find_beside(output, ".vsr.json")


def output_files(output: Path) -> list[Path]:
    """The files that make up an output."""
    if is_numbered(output):
        return sorted(entry for entry in output.parent.iterdir() if entry.is_file())
    return [output]


def unsigned_files(record: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the files of an output as they were made, before it was signed."""
    output = record["output"]
    entry = output.get("credentials")
    return dict(output["files"] if entry is None else entry["unsigned_files"])


def _digests(digests: Sequence[StreamDigest]) -> list[dict[str, Any]]:
    return [canonical(digest) for digest in digests]


def write_manifest(
    job: Job,
    *,
    source: SourceSummary,
    results: Sequence[SegmentResult],
    assembled: Assembled,
    checksums: Mapping[str, Any],
    kept: Mapping[str, Any] | None,
    started: datetime,
    seconds: float,
) -> dict[str, Any]:
    """Write ``OUTPUT.vsr.json`` and return what it says; the input was read after ``started``."""
    root = job.output.parent
    files = OutputFiles(
        path=job.output_url or str(job.output),
        size_bytes=sum(path.stat().st_size for path in output_files(job.output)),
        digests={str(path.relative_to(root)): file_digest(path) for path in output_files(job.output)},
        kept=kept,
    )
    manifest = describe_run(job, files, source, results, assembled, checksums, started, seconds)
    write_atomically(manifest_path(job.output), record_pieces(manifest))
    return manifest


@dataclasses.dataclass(frozen=True)
class OutputFiles:
    """What became of an output."""

    path: str
    """The output's, or a URL; ``-`` where it went to a pipe."""
    size_bytes: int
    digests: Mapping[str, str]
    """SHA-256 of each file, by its name; of a pipe ``-``."""
    kept: Mapping[str, Any] | None = None
    """The file of packets that lies beside it, and what it holds."""


def describe_run(
    job: Job,
    files: OutputFiles,
    source: SourceSummary,
    results: Sequence[SegmentResult],
    assembled: Assembled,
    checksums: Mapping[str, Any],
    started: datetime,
    seconds: float,
) -> dict[str, Any]:
    """The sealed manifest of a finished output; see `write_manifest`."""
    ordered = sorted(results, key=lambda result: result.start)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "begun": started.isoformat(timespec="milliseconds"),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": {
            "path": job.source_url or ("-" if job.info.is_piped else str(job.info.path.absolute())),
            "version": job.source_version,
            "size_bytes": job.info.size_bytes,
            "sha256": source.sha256,
            "container": job.info.container,
            "video": canonical(job.video),
            "streams": _digests(source.streams),
        },
        "output": {
            "path": files.path,
            "size_bytes": files.size_bytes,
            "files": dict(files.digests),
            "streams": _digests(assembled.streams),
            "encoder": describe_encoder(job),
            "copied_streams": [stream.index for stream in job.copied],
            "dropped": list(job.dropped),
            "kept": dict(files.kept) if files.kept is not None else None,
        },
        "checksums": dict(checksums),
        "times": {
            "num_frames": assembled.num_frames,
            "exact": assembled.exact_times,
            "off_rate": assembled.off_rate,
            "shift_seconds": canonical(assembled.shift),
            "container_shift_seconds": canonical(assembled.container_shift),
        },
        "method": {
            "name": job.settings.method,
            "evidence": job.evidence,
            "generative": job.evidence == "generative",
            "says": sentence(job.evidence),
            "passes": [],
            **canonical(job.prepared.describe()),
            "assumed_degradation": assumed_degradation(job.prepared.options),
            "options": canonical(job.prepared.options),
            "findings": mean_findings((result.stop - result.start, result.findings) for result in ordered),
        },
        "settings": canonical(job.settings.model_dump()),
        "span": canonical(job.span),
        "deinterlace": (fields := _describe_fields(job, source)),
        "deinterlacer": job.deinterlacer if fields != "off" and source.interlaced_frames else None,
        "film": canonical(source.film),
        "interlaced_frames": source.interlaced_frames,
        "flagged_interlaced_frames": source.flagged_frames,
        "changes": {"count": source.changes.count, "first": [canonical(one) for one in source.changes.changes]},
        "assumptions": list(job.assumptions),
        "damage": dataclasses.asdict(source.damage),
        "device": device_class(job.device),
        "versions": software_versions() | {"ffmpeg_program": ffmpeg_version()},
        "seconds": round(seconds, 3),
        "segments": [
            {
                "index": result.index,
                "start": result.start,
                "stop": result.stop,
                "key": result.key,
                "sha256": result.digest,
                "findings": dict(result.findings),
                "curves": canonical(result.curves),
                "seconds": result.seconds,
                "worker": result.worker,
                "reused": result.reused,
            }
            for result in ordered
        ],
    }
    seal(manifest)
    return manifest


def _describe_fields(job: Job, source: SourceSummary) -> str:
    """What was done: ``off``, ``film``, ``frame`` or ``field``."""
    if job.is_film:
        return "film"
    if job.deinterlace == "auto":
        return "frame" if source.interlaced_frames else "off"
    return job.deinterlace


def find_manifest(output: str | Path) -> dict[str, Any]:
    """The manifest of an output, which may be a URL: then it is not known whether it can be relied on.

    Raises `VerificationError` where there is none, ValueError for what is no JSON, `MachineError`.
    """
    if not is_url(output):
        return load_manifest(Path(output))
    text = read_object(f"{output}.vsr.json")
    if text is None:
        raise VerificationError(f"{output}: has no manifest")
    return rename_keys(json.loads(text))


def load_manifest(output: Path) -> dict[str, Any]:
    """The manifest of ``output``; raises `VerificationError` where there is none that can be relied on."""
    path = manifest_path(output)
    if not path.is_file():
        raise VerificationError(f"{output}: has no manifest ({path.name} is missing)")
    manifest, problem = read_sealed(path)
    manifest = with_current_keys(manifest, path)
    if problem:
        raise VerificationError(f"{path}: {problem}")
    return manifest


def with_current_keys(manifest: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """``manifest`` with the keys of `FORMAT`. Raises `VerificationError` for other formats and other records."""
    if manifest.get("format") not in range(OLDEST_FORMAT, FORMAT + 1) or "segments" not in manifest:
        formats = f"{OLDEST_FORMAT} to {FORMAT}"
        raise VerificationError(f"{path}: is not a manifest of format {formats}; use the vsr that wrote it")
    return rename_keys(manifest)
