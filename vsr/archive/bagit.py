"""A folder in the form of BagIt 1.0 (RFC 8493), written while its files are copied: each is read once.

https://www.rfc-editor.org/rfc/rfc8493
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vsr.errors import UsageError

__all__ = ["ALGORITHMS", "Payload", "check_info", "check_places", "copy_file", "finish_bag", "put_file"]

ALGORITHMS = ("sha256", "sha512")
"""SHA-512, which the standard asks for, and SHA-256, which the records of vsr hold."""

_BLOCK_BYTES = 1 << 22
_DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_OWN_KEYS = ("Bagging-Date", "Bag-Software-Agent", "Payload-Oxum")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*")


@dataclass(frozen=True)
class Payload:
    """A file in ``data/``."""

    place: str
    """Its path below ``data/``."""
    size_bytes: int
    digests: Mapping[str, str]
    """By algorithm."""


def check_places(places: Sequence[str]) -> None:
    """Refuse names that manifests cannot hold, or that programs read in different ways. Raises `UsageError`."""
    for place in places:
        if any(character in place for character in "%\r\n"):
            raise UsageError(f"{place!r}: programs that read bags differ over % and line breaks in names; rename it")
        try:
            place.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{place!r}: the name is not UTF-8, as those in a bag must be; rename it") from error


def check_info(info: Mapping[str, str]) -> None:
    """Refuse lines that ``bag-info.txt`` cannot hold. Raises `UsageError`."""
    for label, value in info.items():
        if not _LABEL.fullmatch(label):
            raise UsageError(f"{label!r} is no label for bag-info.txt; give it like Source-Organization=Film museum")
        if label.lower() in (own.lower() for own in _OWN_KEYS):
            raise UsageError(f"{label} is written by vsr bag itself; leave it out")
        if not value.strip() or any(ord(character) < ord(" ") for character in value):
            raise UsageError(f"{label} needs a value of one line")


def copy_file(path: Path, folder: Path, place: str) -> Payload:
    """Copy ``path`` into the bag ``folder``, with its time of change. Raises OSError."""
    target = folder / "data" / place
    target.parent.mkdir(parents=True, exist_ok=True)
    hashers = {name: hashlib.new(name) for name in ALGORITHMS}
    size = 0
    with path.open("rb") as source, target.open("xb") as copy:
        while block := source.read(_BLOCK_BYTES):
            for hasher in hashers.values():
                hasher.update(block)
            copy.write(block)
            size += len(block)
    shutil.copystat(path, target)
    return Payload(place, size, {name: hasher.hexdigest() for name, hasher in hashers.items()})


def put_file(data: bytes, folder: Path, place: str) -> Payload:
    """Write ``data`` into the bag ``folder``. Raises OSError."""
    target = folder / "data" / place
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        file.write(data)
    return Payload(place, len(data), {name: hashlib.new(name, data).hexdigest() for name in ALGORITHMS})


def finish_bag(folder: Path, payload: Sequence[Payload], agent: str, info: Mapping[str, str]) -> None:
    """Write the tag files of a bag whose ``payload`` is in place. Raises OSError."""
    size = sum(file.size_bytes for file in payload)
    lines = {
        **info,
        "Bagging-Date": f"{datetime.now(UTC):%Y-%m-%d}",
        "Bag-Software-Agent": agent,
        "Payload-Oxum": f"{size}.{len(payload)}",
    }
    tags = {"bagit.txt": _DECLARATION, "bag-info.txt": "".join(f"{key}: {value}\n" for key, value in lines.items())}
    for name in ALGORITHMS:
        rows = sorted((f"data/{file.place}", file.digests[name]) for file in payload)
        tags[f"manifest-{name}.txt"] = "".join(f"{digest}  {place}\n" for place, digest in rows)
    described = dict(tags)
    for name in ALGORITHMS:
        digests = {tag: hashlib.new(name, text.encode()).hexdigest() for tag, text in sorted(described.items())}
        tags[f"tagmanifest-{name}.txt"] = "".join(f"{digest}  {tag}\n" for tag, digest in digests.items())
    for tag, text in tags.items():
        (folder / tag).write_text(text, encoding="utf-8", newline="\n")
