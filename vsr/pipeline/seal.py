"""A record's digest of itself, so that one changed bit in it is noticed.

The digest is the last field. It is the SHA-256 of the file's bytes with 64 zeros in its place, so it covers every
byte, white space too, and anybody can check it with a text editor and ``sha256sum``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vsr.errors import VerificationError

__all__ = ["SEAL", "read_sealed", "record_pieces", "seal"]

SEAL = "record_sha256"
"""Name of the field."""

_OPEN = "0" * 64


def record_pieces(record: Mapping[str, Any]) -> Iterator[str]:
    """The text of a record's file, in pieces: of a long video it is large."""
    yield from json.JSONEncoder(indent=1).iterencode(record)
    yield "\n"


def seal(record: dict[str, Any]) -> None:
    """Put the digest into ``record``, as its last field. Nothing may be changed afterwards."""
    record.pop(SEAL, None)
    record[SEAL] = _OPEN
    digest = hashlib.sha256()
    for piece in record_pieces(record):
        digest.update(piece.encode())
    record[SEAL] = digest.hexdigest()


def read_sealed(path: Path) -> tuple[dict[str, Any], str]:
    """The record at ``path``, and what is wrong with its seal: empty where nothing is.

    Raises `VerificationError` where it cannot be read, or is not a record at all.
    """
    try:
        data = path.read_bytes()
        record = json.loads(data)
    except FileNotFoundError as error:
        raise VerificationError(f"{path}: no such record") from error
    except (OSError, ValueError) as error:
        raise VerificationError(f"{path}: cannot be read, it was changed or cut short: {error}") from error
    if not isinstance(record, dict):
        raise VerificationError(f"{path}: is not a record of vsr")
    return record, _problem(data, record.get(SEAL))


def _problem(data: bytes, said: object) -> str:
    if not isinstance(said, str) or len(said) != len(_OPEN):
        return f"holds no {SEAL}: it was changed after it was written, or never sealed"
    place = data.rfind(said.encode())
    opened = data[:place] + _OPEN.encode() + data[place + len(said) :]
    if hashlib.sha256(opened).hexdigest() != said:
        return f"was changed after it was written: its bytes are not those of its {SEAL}"
    return ""
