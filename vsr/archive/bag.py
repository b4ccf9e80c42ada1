"""``vsr bag``: outputs, what lies beside them and their sources, checked, described and packed into one folder."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from vsr.archive.bagit import Payload, check_info, check_places, copy_file, finish_bag, put_file
from vsr.archive.contents import SOURCE_FOLDER, Contents, find_contents
from vsr.archive.events import Examined, Packing
from vsr.archive.premis import describe_output
from vsr.errors import MachineError, UsageError, VerificationError
from vsr.pipeline.manifest import manifest_path
from vsr.pipeline.objects import is_url
from vsr.pipeline.publishing import publish
from vsr.pipeline.seal import read_sealed
from vsr.verifying import find_output, verify_any

__all__ = ["Bag", "OnFile", "make_bag"]

OnFile = Callable[[str, float], None]
"""Gets what is done, and the share of it that is."""


@dataclass(frozen=True)
class Bag:
    """A bag that was written."""

    folder: Path
    outputs: tuple[str, ...]
    """Names of the outputs in it."""
    num_files: int
    """In the payload."""
    size_bytes: int
    """Of the payload."""


def make_bag(
    outputs: Sequence[str | Path],
    folder: Path,
    *,
    source: Path | None,
    with_source: bool,
    info: Mapping[str, str],
    on_file: OnFile,
) -> Bag:
    """Check ``outputs`` against their records and pack them into the new bag ``folder``, whole or not at all.

    See `vsr.bag`. Raises a `VsrError`.
    """
    check_info(info)
    if source is not None and len(outputs) != 1:
        raise UsageError("--input says where the input of one output is; give the others in bags of their own")
    _check_folder(folder)
    checked = [_examine(given, source, with_source, on_file) for given in outputs]
    files = _join([one.contents for one in checked])
    partial = folder.with_name(f".{folder.name}.vsr-partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        _check_room(partial, files.values())
        payload = _copy(files, partial, on_file)
        _compare(payload, [one.contents for one in checked])
        packing = Packing(folder.name, datetime.now(UTC), {file.place: file for file in payload})
        for one in checked:
            text = describe_output(one, packing)
            payload.append(put_file(text, partial, _premis_place(one.contents)))
        finish_bag(partial, payload, f"vsr {version('vsr')}", info)
        publish(partial, folder, replace=False)
    except OSError as error:
        raise MachineError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    names = tuple(one.contents.name for one in checked)
    return Bag(folder, names, len(payload), sum(file.size_bytes for file in payload))


def _check_folder(folder: Path) -> None:
    if not folder.absolute().parent.is_dir():
        raise MachineError(f"folder {folder.absolute().parent} does not exist; make it first")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} exists; a bag is a new folder: name another")


def _examine(given: str | Path, source: Path | None, with_source: bool, on_file: OnFile) -> Examined:
    """The contents of an output and what was checked. Raises `VerificationError` where a check failed."""
    if is_url(given):
        raise UsageError(f"{given}: only outputs on this machine go into a bag; copy it and its record here")
    output = find_output(Path(given))
    on_file(f"checking {output.name}", 0)
    checks = verify_any(output, source, False, lambda what, done: None, lambda progress: None)
    failed = next((check for check in checks if not check.passed), None)
    if failed is not None:
        raise VerificationError(f"{output}: is not what its record says: {failed.what}: {failed.detail}")
    record, _ = read_sealed(manifest_path(output))
    return Examined(find_contents(output, record, source, with_source=with_source), checks, datetime.now(UTC))


def _premis_place(contents: Contents) -> str:
    return f"{contents.name}.premis.xml"


def _join(all_contents: Sequence[Contents]) -> dict[str, Path]:
    """All files by their places. Raises `UsageError` where two would have the same; a shared source is one."""
    files: dict[str, Path] = {}
    again = [name for name, count in Counter(contents.name for contents in all_contents).items() if count > 1]
    if again:
        raise UsageError(f"two outputs are called {again[0]}; give them in bags of their own")
    for contents in all_contents:
        for place, path in contents.files.items():
            if files.setdefault(place, path) != path:
                raise UsageError(
                    f"{files[place]} and {path} would both be data/{place}; give them in bags of their own"
                )
    _refuse_mixed_folders(all_contents)
    for place in map(_premis_place, all_contents):
        if place in files:
            raise UsageError(f"{files[place]} has the name that its description gets in the bag; rename it")
    check_places(list(files))
    return files


def _refuse_mixed_folders(all_contents: Sequence[Contents]) -> None:
    """Images of two folders of one name would lie in one folder."""
    folders: dict[str, Path] = {}
    for contents in all_contents:
        for place, path in contents.source.items():
            inner = Path(place).parent.as_posix()
            if inner != SOURCE_FOLDER and folders.setdefault(inner, path.parent) != path.parent:
                raise UsageError(
                    f"{folders[inner]} and {path.parent} would both be data/{inner}; give them in bags of their own"
                )


def _check_room(folder: Path, paths: Iterable[Path]) -> None:
    needed, free = sum(path.stat().st_size for path in paths), shutil.disk_usage(folder).free
    if needed > free:
        raise MachineError(f"{folder.parent}: {needed / 1e9:.1f} GB are needed, and {free / 1e9:.1f} GB are free")


def _copy(files: Mapping[str, Path], folder: Path, on_file: OnFile) -> list[Payload]:
    payload, total = [], sum(path.stat().st_size for path in files.values())
    done = 0
    for place, path in files.items():
        on_file("packing", done / total if total else 0)
        payload.append(copy_file(path, folder, place))
        done += payload[-1].size_bytes
    return payload


def _compare(payload: Sequence[Payload], all_contents: Sequence[Contents]) -> None:
    """What was copied is what was checked."""
    recorded = {place: digest for contents in all_contents for place, digest in contents.digests.items()}
    for file in payload:
        if file.digests["sha256"] != recorded.get(file.place, file.digests["sha256"]):
            raise VerificationError(f"{file.place}: changed while it was copied; run again")
