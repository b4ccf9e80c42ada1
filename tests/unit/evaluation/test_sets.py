"""Which files make a set."""

from __future__ import annotations

from pathlib import Path

import pytest

import vsr
from vsr.evaluation.sets import find_sets


def _touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(name)
    return folder


def test_images_in_order_and_nothing_else(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "Set2", "b.BMP", "a.png", "notes.txt", "c.jpeg")
    (folder / "deeper.png").mkdir()
    [found] = find_sets([folder])
    assert (found.name, found.kind) == ("Set2", "images")
    assert [item.name for item in found.items] == ["a", "b", "c"]
    assert len({item.digest for item in found.items}) == 3


def test_clips_with_their_recordings(tmp_path: Path) -> None:
    names = ("walk_GT.mkv", "walk_BIx4.mkv", "walk_x2.mp4", "plain.mov", "film_x4.mkv", "city.mkv", "city_LRx3.mkv")
    [found] = find_sets([_touch(tmp_path / "v", *names)])
    assert found.kind == "clips"
    recorded = {item.name: {scale: path.name for scale, (path, _) in item.recorded.items()} for item in found.items}
    assert recorded == {
        "walk": {4: "walk_BIx4.mkv", 2: "walk_x2.mp4"},
        "plain": {},
        "film_x4": {},  # ground truth itself: there is no film.mkv
        "city": {3: "city_LRx3.mkv"},
    }
    walk = next(item for item in found.items if item.name == "walk")
    assert walk.digest_at(3) == walk.digest
    assert len({walk.digest_at(2), walk.digest_at(3), walk.digest_at(4)}) == 3


def test_a_single_file_is_a_set(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "v", "a.png", "b.png")
    [found] = find_sets([folder / "a.png"])
    assert [item.name for item in found.items] == ["a"]


def test_sets_of_one_name_are_distinguished(tmp_path: Path) -> None:
    folders = [_touch(tmp_path / name / "HR", "a.png") for name in ("x", "y")]
    assert [found.name for found in find_sets(folders)] == [str(folder) for folder in folders]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "holds no image"),
        (("a.txt",), "holds no image"),
        (("a.png", "b.mkv"), r"images \(a.png\) and videos \(b.mkv\)"),
        (("a_GT.mkv", "a_BIx4.mkv", "a_BDx4.mkv"), "a_BDx4.mkv and a_BIx4.mkv are both x4"),
    ],
)
def test_what_is_no_set(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(vsr.InputError, match=message):
        find_sets([_touch(tmp_path / "v", *names)])


def test_missing_and_repeated(tmp_path: Path) -> None:
    with pytest.raises(vsr.InputError, match="no such folder"):
        find_sets([tmp_path / "missing"])
    folder = _touch(tmp_path / "v", "a.png")
    with pytest.raises(vsr.UsageError, match="twice"):
        find_sets([folder, folder / ".." / "v"])
    with pytest.raises(vsr.UsageError, match="--data"):
        find_sets([])
