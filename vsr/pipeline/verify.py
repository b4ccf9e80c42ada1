"""Checking an output against its manifest, long after the run."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.errors import VerificationError
from vsr.media.images import is_numbered
from vsr.media.inspect import digest_streams, video_times
from vsr.pipeline.manifest import load_manifest, output_files
from vsr.pipeline.sidecar import canonical, file_digest

__all__ = ["Check", "verify_output"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    passed: bool
    detail: str = ""


def verify_output(output: Path) -> list[Check]:
    """Compare ``output``, and its input where it is still there, with the manifest.

    Raises `VerificationError` where there is no output or no manifest; differences are returned.
    """
    if not (output.parent.is_dir() if is_numbered(output) else output.is_file()):
        raise VerificationError(f"{output}: no such output")
    manifest = load_manifest(output)
    checks = [_files(output, manifest)]
    if checks[0].passed and not is_numbered(output):
        checks += [_streams(output, manifest), _frames(output, manifest)]
    return [*checks, _input(manifest)]


def _files(output: Path, manifest: dict[str, Any]) -> Check:
    recorded: dict[str, str] = manifest["output"]["files"]
    found = {path.name: file_digest(path) for path in output_files(output)}
    if not is_numbered(output):
        found = dict(zip(recorded, found.values(), strict=False))  # a renamed output is still the output
    missing, extra = sorted(set(recorded) - set(found)), sorted(set(found) - set(recorded))
    changed = [name for name in recorded if name in found and found[name] != recorded[name]]
    for names, what in ((changed, "changed"), (missing, "missing"), (extra, "not in the manifest")):
        if names:
            return Check("output bytes", False, f"{', '.join(names[:5])}: {what}")
    return Check("output bytes", True, f"{len(recorded)} file(s), SHA-256")


def _streams(output: Path, manifest: dict[str, Any]) -> Check:
    found = [canonical(digest) for digest in digest_streams(output)]
    recorded = manifest["output"]["streams"]
    if found != recorded:
        return Check("streams", False, f"{len(found)} streams, not the {len(recorded)} recorded or with other packets")
    return Check("streams", True, f"{len(found)} stream(s), packet by packet")


def _frames(output: Path, manifest: dict[str, Any]) -> Check:
    times, _ = video_times(output)
    recorded = manifest["times"]["num_frames"]
    rising = all(a < b for a, b in itertools.pairwise(times))
    passed = len(times) == recorded and rising
    return Check("frames", passed, f"{len(times)} of {recorded}, times {'rising' if rising else 'not rising'}")


def _input(manifest: dict[str, Any]) -> Check:
    place, recorded = manifest["input"]["path"], manifest["input"]["sha256"]
    path = Path(place)
    if recorded is None or not path.is_file():
        return Check("input", True, f"not compared: {place} is not here" if recorded else "an image sequence")
    same = file_digest(path) == recorded
    return Check("input", same, "SHA-256" if same else f"{path} is not the file that was restored")
