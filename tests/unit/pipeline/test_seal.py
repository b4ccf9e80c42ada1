"""A record's digest of itself: every single bit counts, and anybody can check it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from vsr.errors import VerificationError
from vsr.pipeline.seal import SEAL, read_sealed, record_pieces, seal

RECORD = {
    "format": 1,
    "name": "Müller’s film",
    "numbers": [1, 2.5e-07, None, True],
    "deep": {"empty": {}, "list": []},
    "text": "a\tb\n",
}


def _written(path: Path) -> Path:
    record = dict(RECORD)
    seal(record)
    path.write_text("".join(record_pieces(record)), encoding="utf-8")
    return path


def test_a_sealed_record_is_read_back(tmp_path: Path) -> None:
    record, problem = read_sealed(_written(tmp_path / "r.json"))
    assert problem == ""
    assert {key: value for key, value in record.items() if key != SEAL} == RECORD


def test_every_changed_bit_is_noticed(tmp_path: Path) -> None:
    path = _written(tmp_path / "r.json")
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            try:
                _, problem = read_sealed(path)
            except VerificationError:
                continue  # no record any more: noticed as well
            assert problem, f"bit {bit} of byte {place} ({bytes(changed[max(0, place - 10) : place + 10])!r})"


def test_it_can_be_checked_without_vsr(tmp_path: Path) -> None:
    """As the documentation says: zeros for the digits, then SHA-256 of the file."""
    text = _written(tmp_path / "r.json").read_text(encoding="utf-8")
    opened, count = re.subn(r'("record_sha256": ")[0-9a-f]{64}"', r"\g<1>" + "0" * 64 + '"', text)
    assert count == 1
    assert hashlib.sha256(opened.encode()).hexdigest() == json.loads(text)[SEAL]


def test_sealing_again_gives_the_same(tmp_path: Path) -> None:
    record = dict(RECORD)
    seal(record)
    first = record[SEAL]
    seal(record)
    assert record[SEAL] == first


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1}', '{"record_sha256": 5}', '{"record_sha256": "00"}'])
def test_what_is_not_sealed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text, encoding="utf-8")
    try:
        _, problem = read_sealed(path)
    except VerificationError as error:
        problem = str(error)
    assert problem


def test_a_missing_record(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="no such record"):
        read_sealed(tmp_path / "none.json")
