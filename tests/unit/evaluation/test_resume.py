"""Results kept over crashes."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

import vsr
from vsr.evaluation.records import ItemScore, Scores
from vsr.evaluation.resume import ResultStore, result_key

FIRST = ItemScore("ü 1", 1, Scores(30.123456789012345, 0.9, math.inf, 0.5))
SECOND = ItemScore("b", 7, Scores(math.inf, 1.0, 40.0, 0.25, temporal_psnr_y=33.0, lpips=0.1))


def test_what_was_put_is_found_again_exactly(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "results.jsonl"
    with ResultStore(path) as store:
        assert store.get("1") is None
        store.put("1", FIRST)
        store.put("2", SECOND)
    with ResultStore(path) as store:
        assert (store.get("1"), store.get("2"), store.get("3")) == (FIRST, SECOND, None)


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_line_cut_short_costs_only_itself(tmp_path: Path, kept: int, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "results.jsonl"
    with ResultStore(path) as store:
        store.put("1", FIRST)
        whole = path.stat().st_size
        store.put("2", SECOND)
    data = path.read_bytes()
    path.write_bytes(data[: whole + kept] if kept > 0 else data[:-5])
    with caplog.at_level(logging.WARNING), ResultStore(path) as store:
        assert (store.get("1"), store.get("2")) == (FIRST, None)
        store.put("3", SECOND)
    assert "1 damaged" in caplog.text
    with ResultStore(path) as store:
        assert (store.get("1"), store.get("2"), store.get("3")) == (FIRST, None, SECOND)


@pytest.mark.parametrize(
    "line", ["[]", "3", '{"key": "1"}', '{"key": "1", "name": "a", "num_frames": 1, "scores": {}}']
)
def test_foreign_lines_are_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    with ResultStore(path) as store:
        store.put("2", SECOND)
    with path.open("a", encoding="latin-1") as file:
        file.write(f"{line}\n\n\xff\n")
    with ResultStore(path) as store:
        assert (store.get("1"), store.get("2")) == (None, SECOND)
        store.put("1", FIRST)
    with ResultStore(path) as store:
        assert store.get("1") == FIRST


@pytest.mark.parametrize("data", [b"[]\n", b"\x89PNG\r\n\x1a\n rest", b"name,value\n1,2\n", b"text"])
def test_a_file_of_something_else_is_refused_and_not_touched(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(data)
    with pytest.raises(vsr.UsageError, match="holds no results"):
        ResultStore(path)
    assert path.read_bytes() == data


def test_a_first_line_cut_short_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'{"key": "1", "na')
    with ResultStore(path) as store:
        store.put("1", FIRST)
    with ResultStore(path) as store:
        assert store.get("1") == FIRST


def test_two_writers_do_not_harm_each_other(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with ResultStore(path) as one, ResultStore(path) as other:
        one.put("1", FIRST)
        other.put("2", SECOND)
        one.put("3", FIRST)
    with ResultStore(path) as store:
        assert (store.get("1"), store.get("2"), store.get("3")) == (FIRST, SECOND, FIRST)


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "below.jsonl", tmp_path):
        with pytest.raises(vsr.MachineError, match="--resume"):
            ResultStore(path)


def test_keys_differ_with_every_part() -> None:
    keys = [result_key("a", 2, None), result_key("a", 3, None), result_key("b", 2, None), result_key("a", 2, 1)]
    assert len(set(keys)) == 4
    assert keys[0] == result_key("a", 2, None)
