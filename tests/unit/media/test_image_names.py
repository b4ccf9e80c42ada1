"""Which images a folder or a pattern means, and in what order."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsr.errors import InputError
from vsr.media.images import find_images


def _touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("form", ["sh_{}_x2.png", "{}.png", "v2-{}.png", "3d_take4_{}_10bit_p3.png"])
@pytest.mark.parametrize("is_pattern", [True, False])
def test_numbers_beside_that_of_the_frame(tmp_path: Path, form: str, is_pattern: bool) -> None:
    names = [form.format(f"{number:04d}") for number in range(8, 12)]
    folder = _touched(tmp_path, *reversed(names))
    found = find_images(folder / form.format("%04d") if is_pattern else folder)
    assert [path.name for path in found] == names


@pytest.mark.parametrize("is_pattern", [True, False])
def test_a_missing_image_ahead_of_a_further_number(tmp_path: Path, is_pattern: bool) -> None:
    folder = _touched(tmp_path, "sh_0001_x2.png", "sh_0002_x2.png", "sh_0004_x2.png")
    with pytest.raises(InputError, match="image 3 is missing"):
        find_images(folder / "sh_%04d_x2.png" if is_pattern else folder)


def test_a_pattern_takes_its_own_number(tmp_path: Path) -> None:
    folder = _touched(tmp_path, "sh_1_x2.png", "sh_01_x2.png")
    with pytest.raises(InputError, match="number 1 stands twice"):
        find_images(folder / "sh_%d_x2.png")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("s1_1.png", "s1_2.png", "s2_1.png"), "number 1 stands twice"),
        (("a1.png", "b3.png"), "image 2 is missing"),
        (("1.png", "01.png"), "number 1 stands twice"),
    ],
)
def test_the_last_number_where_none_is_clear(tmp_path: Path, names: tuple[str, ...], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        find_images(_touched(tmp_path, *names))


def test_names_without_numbers_are_no_gap(tmp_path: Path) -> None:
    names = ["a.png", "b1.png", "b3.png"]
    assert [path.name for path in find_images(_touched(tmp_path, *names))] == names
