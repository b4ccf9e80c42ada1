"""The manifest beside each output: what went in, what was done, what came out, and how to check it again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from vsr.errors import VerificationError
from vsr.media.ffmpeg import ffmpeg_version
from vsr.media.images import is_numbered
from vsr.media.inspect import StreamDigest
from vsr.pipeline.assemble import Assembled, image_folder
from vsr.pipeline.job import Job
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
from vsr.restorers.agreement import assumed_degradation
from vsr.restorers.findings import mean_findings

__all__ = ["FORMAT", "load_manifest", "manifest_path", "output_files", "write_manifest"]

FORMAT = 1
"""Version of the manifest's layout."""


def manifest_path(output: Path) -> Path:
    """Where the manifest of ``output`` is: beside the file, or beside an image sequence's folder."""
    if is_numbered(output):
        return output.parent.with_name(f"{output.parent.name}.vsr.json")
    return output.with_name(f"{output.name}.vsr.json")


def output_files(output: Path) -> list[Path]:
    """The files that make up an output."""
    if is_numbered(output):
        return sorted(entry for entry in output.parent.iterdir() if entry.is_file())
    return [output]


def _digests(digests: Sequence[StreamDigest]) -> list[dict[str, Any]]:
    return [canonical(digest) for digest in digests]


def write_manifest(
    job: Job,
    *,
    source: SourceSummary,
    results: Sequence[SegmentResult],
    assembled: Assembled,
    seconds: float,
) -> dict[str, Any]:
    """Write ``OUTPUT.vsr.json`` and return what it says."""
    ordered = sorted(results, key=lambda result: result.start)
    images = job.encoder.codec.kind == "images"
    root = image_folder(job) if images else job.output.parent
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": {
            "path": job.source_url or str(job.info.path.absolute()),
            "version": job.source_version,
            "size_bytes": job.info.size_bytes,
            "sha256": source.sha256,
            "container": job.info.container,
            "video": canonical(job.video),
            "streams": _digests(source.streams),
        },
        "output": {
            "path": job.output_url or str(job.output),
            "files": {str(path.relative_to(root)): file_digest(path) for path in output_files(job.output)},
            "streams": _digests(assembled.streams),
            "encoder": describe_encoder(job),
            "copied_streams": [stream.index for stream in job.copied],
            "dropped": list(job.dropped),
        },
        "times": {
            "num_frames": assembled.num_frames,
            "exact": assembled.exact_times,
            "shift_seconds": canonical(assembled.shift),
            "container_shift_seconds": canonical(assembled.container_shift),
        },
        "method": {
            "name": job.settings.method,
            "evidence": job.evidence,
            "generative": job.evidence == "generative",
            "model": canonical(job.model),
            "assumed_degradation": assumed_degradation(job.options),
            "options": canonical(job.options),
            "findings": mean_findings((result.stop - result.start, result.findings) for result in ordered),
        },
        "settings": job.settings.model_dump(),
        "span": canonical(job.span),
        "deinterlace": job.deinterlace,
        "interlaced_frames": source.interlaced_frames,
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
                "seconds": result.seconds,
                "worker": result.worker,
                "reused": result.reused,
            }
            for result in ordered
        ],
    }
    pieces = json.JSONEncoder(indent=1).iterencode(manifest)  # of a long video it is large
    write_atomically(manifest_path(job.output), chain(pieces, "\n"))
    return manifest


def load_manifest(output: Path) -> dict[str, Any]:
    """The manifest of ``output``; raises `VerificationError` where there is none that can be read."""
    path = manifest_path(output)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise VerificationError(f"{output}: has no manifest ({path.name} is missing)") from error
    except (OSError, ValueError) as error:
        raise VerificationError(f"{path}: cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise VerificationError(f"{path}: is not a manifest of format {FORMAT}; use the vsr that wrote it")
    return manifest
