"""The manifest of an output, and whether output and input are still the files that it speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.errors import UsageError, VerificationError, VsrError
from vsr.media.images import is_numbered
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe
from vsr.pipeline.manifest import load_manifest, manifest_path, output_files
from vsr.pipeline.seal import read_sealed
from vsr.pipeline.sidecar import file_digest
from vsr.timeline import parse_rate

__all__ = ["FoundInput", "find_input", "read_restored_manifest"]

_OTHERS = {"frames": "frames as they were recorded, with nothing to compare; vsr verify {name} checks them"}


@dataclass(frozen=True)
class FoundInput:
    """The input, if it can be shown."""

    info: MediaInfo | None
    notes: tuple[str, ...] = ()
    """Why it cannot, or what it says of itself."""


def read_restored_manifest(output: Path) -> dict[str, Any]:
    """The manifest of a restored ``output``.

    Raises `UsageError` for what other commands make, `VerificationError` where there is none that can be relied on.
    """
    path = manifest_path(output)
    if path.is_file():
        words = _OTHERS.get(str(read_sealed(path)[0].get("kind")))
        if words is not None:
            raise UsageError(f"{output}: is {words.format(name=output)}; vsr report shows outputs of upscale and still")
    return load_manifest(output)


def find_input(output: Path, manifest: Mapping[str, Any], *, check_output: bool = True) -> FoundInput:
    """The input of ``output``. Raises `VerificationError` where the output is missing or another file.

    Without ``check_output`` the output is not looked at.
    """
    if check_output:
        _check_output(output, manifest)
    place, recorded = Path(manifest["input"]["path"]), manifest["input"]["sha256"]
    if "://" in str(manifest["input"]["path"]):
        return FoundInput(None, (f"the input is not shown: {manifest['input']['path']} is not on this machine",))
    if not (place.is_file() or place.is_dir() or is_numbered(place)):
        return FoundInput(None, (f"the input is not shown: {place} is not here any more",))
    if recorded is not None and place.is_file() and file_digest(place) != recorded:
        return FoundInput(None, (f"the input is not shown: {place} has changed since",))
    fps = manifest["settings"].get("fps")
    try:
        info = probe(place, parse_rate(fps) if fps else None, manifest["settings"].get("video_stream"))
    except VsrError as error:
        return FoundInput(None, (f"the input is not shown: {error}",))
    said = dict.fromkeys(text for text in info.metadata.values() if text.startswith("vsr "))
    return FoundInput(info, tuple(f"the input was made by vsr, too, and says of itself: {text}" for text in said))


def _check_output(output: Path, manifest: Mapping[str, Any]) -> None:
    if not (output.parent.is_dir() if is_numbered(output) else output.is_file()):
        raise VerificationError(f"{output}: no such output")
    recorded = manifest["output"]["files"]
    found = [file_digest(path) for path in output_files(output)]
    if sorted(found) != sorted(recorded.values()):
        raise VerificationError(f"{output}: is not the output that its manifest describes; vsr verify tells more")
