"""Checking an output against its manifest, long after the run: one changed bit is found, and named."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.errors import InputError, VerificationError
from vsr.media.damage import describe_times
from vsr.media.framemd5 import ChecksumFile
from vsr.media.images import is_numbered, is_single_image
from vsr.media.inspect import digest_streams, video_times
from vsr.media.reading import probe
from vsr.pipeline.beside import find_beside
from vsr.pipeline.chain import checksum_decoded, checksum_paths, output_checksums
from vsr.pipeline.credentials import SIDECAR, is_installed, read_credentials
from vsr.pipeline.manifest import manifest_path, output_files, with_current_keys
from vsr.pipeline.recorded_times import describe_wrong_rule, describe_wrong_times
from vsr.pipeline.seal import read_sealed
from vsr.pipeline.sidecar import canonical, file_digest
from vsr.pipeline.streams import find_kept_path
from vsr.timeline import parse_rate

__all__ = ["Check", "check_credentials", "find_changed_frames", "verify_output"]

_NAMED = 5  # of what differs, by name
_CREDENTIALS = "credentials"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    passed: bool
    detail: str = ""


def verify_output(output: Path, source: Path | None = None) -> list[Check]:
    """Compare ``output``, and its input where it is still there or is at ``source`` now, with the manifest.

    Raises `VerificationError` where there is no output or no manifest; differences are returned. A manifest that was
    changed itself proves nothing: then that is all that is said.
    """
    if not (output.parent.is_dir() if is_numbered(output) else output.is_file()):
        raise VerificationError(f"{output}: no such output")
    path = manifest_path(output)
    if not path.is_file():
        raise VerificationError(f"{output}: has no manifest ({path.name} is missing)")
    manifest, problem = read_sealed(path)
    if problem:
        return [Check("record", False, f"{path.name} {problem}")]
    manifest = with_current_keys(manifest, path)
    checks = [Check("record", True, "its own digest"), _files(output, manifest)]
    if checks[-1].passed and not _is_images(output):
        checks += [_streams(output, manifest), _frames(output, manifest)]
    return [
        *checks,
        *_checksums(output, manifest),
        *_times(output, manifest),
        *_check_kept(output, manifest),
        *check_credentials(output, manifest),
        _input(output, manifest, source),
    ]


def _is_images(output: Path) -> bool:
    return is_numbered(output) or is_single_image(output)


def _files(output: Path, manifest: dict[str, Any]) -> Check:
    recorded: dict[str, str] = manifest["output"]["files"]
    found = {path.name: file_digest(path) for path in output_files(output)}
    if not is_numbered(output):
        found = dict(zip(recorded, found.values(), strict=False))  # a renamed output is still the output
    missing, extra = sorted(set(recorded) - set(found)), sorted(set(found) - set(recorded))
    changed = [name for name in recorded if name in found and found[name] != recorded[name]]
    for names, what in ((changed, "changed"), (missing, "missing"), (extra, "not in the manifest")):
        if names:
            where = _check_output(output, manifest) if what == "changed" else ""
            return Check("output bytes", False, f"{_join_names(names)}: {what}{where}")
    return Check("output bytes", True, f"{len(recorded)} file(s), SHA-256")


def _check_output(output: Path, manifest: Mapping[str, Any]) -> str:
    """Which frames of a changed output differ, as far as their checksums can tell."""
    path, entry = checksum_paths(output)[1], manifest.get("checksums", {}).get("output")
    if is_numbered(output) or not _is_whole(path, entry):
        return ""
    try:
        return f"; {find_changed_frames(ChecksumFile.read(path), output_checksums(output, entry['of']))}"
    except InputError as error:
        return f"; it cannot be read any more ({error})"


def find_changed_frames(recorded: ChecksumFile, found: ChecksumFile) -> str:
    """In words, which frames are not what they were. Lines are in coding order for packets: times name the frames."""
    order = sorted(range(len(recorded.rows)), key=lambda n: recorded.rows[n].pts)
    place = {number: rank for rank, number in enumerate(order)}
    pairs = zip(recorded.rows, found.rows, strict=False)
    changed = [number for number, (one, other) in enumerate(pairs) if (one.md5, one.pts) != (other.md5, other.pts)]
    if len(recorded.rows) != len(found.rows):
        return f"{len(found.rows)} frames are left of {len(recorded.rows)}"
    if not changed:
        return "no frame differs: the change is outside the frames"
    named = [
        f"{place[n]} ({float(Fraction(recorded.rows[n].pts) * recorded.time_base):.3f} s)"
        for n in sorted(changed, key=lambda n: place[n])
    ]
    return f"{len(changed)} frame(s) differ: {_join_names(named)}"


def _join_names(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


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


def _times(output: Path, manifest: Mapping[str, Any]) -> list[Check]:
    """Times of the input's frames against the rule, and those of the output against them; no check without records."""
    path, entry = checksum_paths(output)[0], manifest["checksums"].get("input")
    if not _is_whole(path, entry):
        return []
    used = [row.pts for row in ChecksumFile.read(path).rows]
    wrong = describe_wrong_rule(used, manifest)
    if not wrong and not _is_images(output):
        wrong = describe_wrong_times(output, used, manifest)
    repaired = "; ".join(describe_times(manifest["damage"])) or "as the input gives them"
    return [Check("times", not wrong, wrong or repaired)]


def _is_whole(path: Path, entry: Mapping[str, Any] | None) -> bool:
    return entry is not None and path.is_file() and file_digest(path) == entry["sha256"]


def _checksums(output: Path, manifest: Mapping[str, Any]) -> list[Check]:
    """The files of frame checksums against their digests, and decoded frames of the output against their checksums."""
    checks = []
    for path, (name, entry) in zip(checksum_paths(output), manifest["checksums"].items(), strict=True):
        if not path.is_file():
            checks.append(Check(f"{name} checksums", True, f"not compared: {path.name} is not here"))
        elif not _is_whole(path, entry):
            checks.append(Check(f"{name} checksums", False, f"{path.name}: changed"))
        else:
            checks.append(Check(f"{name} checksums", True, f"{entry['frames']} lines, of {entry['of']}"))
    return checks


def _check_kept(output: Path, manifest: Mapping[str, Any]) -> list[Check]:
    """The file of packets that the output could not hold, where there is one."""
    entry, path = manifest["output"].get("kept"), find_kept_path(output)
    if entry is None:
        return []
    if not path.is_file():
        return [Check("kept packets", False, f"{path.name}: missing")]
    if not _is_whole(path, entry):
        return [Check("kept packets", False, f"{path.name}: changed")]
    return [Check("kept packets", True, f"{len(entry['streams'])} stream(s), SHA-256")]


def check_credentials(output: Path, record: Mapping[str, Any]) -> list[Check]:
    """The content credentials of an output, where it was signed: signature and hashes, where the library is here."""
    entry = record["output"].get("credentials")
    if entry is None:
        return []
    sidecar = find_beside(output, SIDECAR) if entry["file"] else None
    if sidecar is not None and not sidecar.is_file():
        return [Check(_CREDENTIALS, False, f"{sidecar.name}: missing")]
    if sidecar is not None and file_digest(sidecar) != entry["sha256"]:
        return [Check(_CREDENTIALS, False, f"{sidecar.name}: changed")]
    if not is_installed():
        return [Check(_CREDENTIALS, True, f"signed by {entry['signer']}; not read: pip install 'vsr[c2pa]'")]
    found = read_credentials(output, sidecar)
    if found is None or found.failures:
        why = "cannot be read" if found is None else ", ".join(found.failures)
        return [Check(_CREDENTIALS, False, f"signed by {entry['signer']}: {why}")]
    return [Check(_CREDENTIALS, True, f"C2PA, signed by {found.signer}; signature and hashes are right")]


def _input(output: Path, manifest: Mapping[str, Any], source: Path | None) -> Check:
    path, recorded = source or Path(manifest["input"]["path"]), manifest["input"]["sha256"]
    if recorded is None and path.parent.is_dir() and (path.is_dir() or is_numbered(path)):
        return _input_images(output, manifest, path)
    if recorded is None or not path.is_file():
        where = manifest["input"]["path"]  # a URL, too
        return Check("input", True, f"not compared: {where} is not here" if recorded else "an image sequence")
    if file_digest(path) == recorded:
        return Check("input", True, "SHA-256")
    return Check("input", False, f"{path} is not the file that was restored{_check_input(output, manifest, path)}")


def _input_images(output: Path, manifest: Mapping[str, Any], path: Path) -> Check:
    """An image sequence has no digest of its own: its decoded images are compared."""
    words = _check_input(output, manifest, path)
    if not words:
        return Check("input", True, "an image sequence; not compared: its checksums are not here")
    same = "no frame differs" in words
    return Check("input", same, "decoded frames" if same else f"{path}{words}")


def _check_input(output: Path, manifest: Mapping[str, Any], path: Path) -> str:
    """Which decoded frames of the input differ; empty where nothing can tell."""
    checksums = checksum_paths(output)[0]
    if not _is_whole(checksums, manifest["checksums"]["input"]):
        return ""
    settings = manifest["settings"]
    try:
        rate = parse_rate(settings["fps"]) if settings.get("fps") else None
        recorded = ChecksumFile.read(checksums)
        found = checksum_decoded(
            probe(path, rate, settings.get("video_stream")), settings.get("decoder_threads", 1), len(recorded.rows)
        )
        return f"; {find_changed_frames(recorded, found)}"
    except InputError as error:
        return f"; it cannot be read any more ({error})"
