"""`vsr opinions`: from files that blind pages saved to ranks, and what is no such file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program import Run

import vsr

Call = Callable[..., Run]
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes choices as the page does: for its A, for its B, and of no difference."""

    def write(name: str, first: str, second: str, counts: tuple[int, int, int], who: str = "", **changes: Any) -> Path:
        chosen = ["a"] * counts[0] + ["b"] * counts[1] + ["same"] * counts[2]
        record = {
            "format": 1,
            "kind": "vsr opinions",
            "names": {"a": first, "b": second, "reference": "master.mov"},
            "who": who,
            "choices": [{"chosen": answer, "left": "a", "seconds": 1.0} for answer in chosen],
        }
        path = tmp_path / name
        path.write_text(json.dumps({**record, **changes}))
        return path

    return write


def test_the_documented_example(save: Save, call: Call) -> None:
    path = save("choices.json", "a.mp4", "b.mp4", (2, 9, 1))
    done = call("opinions", path, "--json")
    found = json.loads(done.out)
    assert done.code == 0
    assert (found["num_people"], found["num_choices"]) == (1, 12)
    best, worst = found["versions"]
    assert (best["name"], best["wins"], best["losses"], best["same"]) == ("b.mp4", 9, 2, 1)
    assert best["strength"] == pytest.approx(0.5 * math.log(10 / 3))
    assert best["rank"] == pytest.approx(1 + 3 / 13)
    low, high = best["rank_interval"]
    assert (round(low, 2), round(high, 2)) == (1.0, 1.46)
    assert worst["rank"] == pytest.approx(3 - best["rank"])
    table = call("opinions", path).out
    assert "1.00…1.46" in table
    assert "12 choices of one person" in table


def test_people_who_differ_widen_the_interval(save: Save) -> None:
    """Forty choices in all: shared by four of one mind, or two against two."""
    alike = [save(f"alike{n}.json", "a", "b", (4, 6, 0)) for n in range(4)]
    apart = [save(f"apart{n}.json", "a", "b", (0, 10, 0) if n < 2 else (8, 2, 0)) for n in range(4)]
    first, second = vsr.rank_opinions(alike), vsr.rank_opinions(apart)
    assert first.num_choices == second.num_choices == 40
    assert [version.wins for version in first.versions] == [version.wins for version in second.versions] == [24, 16]
    assert first.versions[0].strength == second.versions[0].strength
    assert _width(second) > 3 * _width(first)


def _width(found: vsr.Opinions) -> float:
    low, high = found.versions[0].strength_interval
    return high - low


def test_folders_are_methods_and_names_are_people(save: Save, call: Call) -> None:
    """Three methods on two clips; not all pairs are compared, and one person has judged two pages."""
    paths = [
        save("1.json", "flow/x.mp4", "bicubic/x.mp4", (9, 2, 1), "Ann"),
        save("2.json", "bicubic/y.mp4", "flow/y.mp4", (1, 11, 0), "Ann"),
        save("3.json", "flow/y.mp4", "sr3/y.mp4", (8, 3, 1), "Ben"),
    ]
    found = vsr.rank_opinions(paths, by="folder")
    assert [version.name for version in found.versions] == ["flow", "sr3", "bicubic"]
    assert (found.num_people, found.num_choices) == (2, 36)
    assert sum(version.rank for version in found.versions) == pytest.approx(6)
    assert (found.versions[0].wins, found.versions[0].losses, found.versions[0].same) == (28, 6, 2)
    by_file = call("opinions", *paths)
    assert by_file.code == 2
    assert "no choices join bicubic/x.mp4 and bicubic/y.mp4" in by_file.one_line()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "vsr compare"}, "holds no choices of a blind page"),
        ({"format": 9}, "is of format 9; this version reads 1"),
        ({"choices": []}, "is incomplete"),
        ({"choices": [{"chosen": "c"}]}, "is incomplete"),
        ({"choices": ["a"]}, "is incomplete"),
        ({"names": {"a": "a.mp4"}}, "is incomplete"),
        ({"names": {"a": "a.mp4", "b": "a.mp4"}}, "compares a.mp4 with itself"),
    ],
)
def test_other_records_are_refused(save: Save, call: Call, changes: dict[str, Any], words: str) -> None:
    failed = call("opinions", save("choices.json", "a.mp4", "b.mp4", (1, 1, 0), **changes))
    assert failed.code == (2 if "itself" in words else 3)
    assert words in failed.one_line()


def test_other_files_are_refused(save: Save, call: Call, tmp_path: Path) -> None:
    path = save("choices.json", "a.mp4", "b.mp4", (1, 1, 0))
    (tmp_path / "text.json").write_bytes(b"\xff\xfe no JSON")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "list.json").write_text("[1, 2]")
    for name, words in {
        "none.json": "cannot be read",
        "text.json": "no JSON",
        "deep.json": "no JSON",
        ".": "cannot",
    }.items():
        failed = call("opinions", tmp_path / name)
        assert (failed.code, words in failed.one_line()) == (3, True), name
    assert call("opinions", tmp_path / "list.json").code == 3
    twice = call("opinions", path, path)
    assert (twice.code, "given twice" in twice.one_line()) == (2, True)
    folder = call("opinions", path, "--by", "folder")
    assert (folder.code, "itself" in folder.one_line()) == (2, True)
    with pytest.raises(vsr.UsageError, match="no files"):
        vsr.rank_opinions([])
