"""Any output of vsr, or its record, checked: the door to what each kind of output has for that."""

from __future__ import annotations

from pathlib import Path

from vsr.distributed.recompute import recompute as make_again
from vsr.errors import InputError, UsageError, VerificationError
from vsr.media.images import is_numbered
from vsr.media.reading import is_there
from vsr.pipeline.beside import output_place
from vsr.pipeline.chain import checksum_paths
from vsr.pipeline.manifest import manifest_path
from vsr.pipeline.objects import download, find_object, is_url, join_url, split_url
from vsr.pipeline.progress import OnProgress
from vsr.pipeline.seal import read_sealed
from vsr.pipeline.storage import describe_by_url, local_place
from vsr.pipeline.streams import find_kept_path
from vsr.pipeline.verify import Check, verify_output
from vsr.stills.exported import export_again, is_export
from vsr.stills.make import OnStep
from vsr.stills.verify import is_still, verify_still

__all__ = ["find_output", "verify_any"]

_RECORD = ".vsr.json"


def verify_any(
    given: str | Path, source: Path | None, recompute: bool, on_step: OnStep, on_progress: OnProgress
) -> list[Check]:
    """Check ``given``, an output or the record beside it, here or in an object store; see `vsr.verify`."""
    if source is not None and not is_there(source):
        raise InputError(f"{source}: no such file")
    if not is_url(given):
        return _verify_here(Path(given), source, recompute, on_step, on_progress)
    if recompute:
        raise UsageError(f"{given}: only an output on this machine can be made again; copy it and its record here")
    return _verify_away(str(given).removesuffix(_RECORD), source)


def _verify_away(url: str, source: Path | None) -> list[Check]:
    """Check a copy of the output at ``url``, with what lies beside it there."""
    here = local_place(url)
    needed, others = (here, manifest_path(here)), (*checksum_paths(here), find_kept_path(here))
    try:
        for copy in (*needed, *others):
            there = join_url(split_url(url)[0], copy.name)
            if find_object(there) is not None:
                download(there, copy)
            elif copy in needed:
                raise VerificationError(f"{there}: no such object")
        with describe_by_url(here, url):
            return verify_output(here, source)
    finally:
        for copy in (*needed, *others):
            copy.unlink(missing_ok=True)


def _verify_here(
    given: Path, source: Path | None, recompute: bool, on_step: OnStep, on_progress: OnProgress
) -> list[Check]:
    output = find_output(given)
    path = manifest_path(output)
    record = read_sealed(path)[0] if path.is_file() else {}
    if is_still(record):
        return verify_still(output, source, recompute=recompute, on_step=on_step)
    checks = verify_output(output, source)
    if recompute:
        broken = next((check for check in checks if not check.passed and check.what in ("record", "input")), None)
        make = export_again if is_export(record) else make_again
        why = f"not made: {broken.detail}" if broken else ""
        checks.append(Check("made again", False, why) if why else make(output, source, on_progress))
    return checks


def find_output(given: Path) -> Path:
    """``given``, or the output that it is the record of: a file, or the numbered images of a folder."""
    if not given.name.endswith(_RECORD):
        return given
    output = output_place(record := given, _RECORD)
    if not output.is_dir():
        return output
    said = read_sealed(record)[0].get("output")
    name = Path(str(said["path"])).name if isinstance(said, dict) and "path" in said else ""
    pattern = output / name
    if not is_numbered(pattern):
        raise VerificationError(f"{record}: does not name the images in {output}; give them, like {output}/%06d.png")
    return pattern
