"""Options that take several values."""

from __future__ import annotations

import pytest

from vsr.cli.option_types import spread

SEVERAL = frozenset(["--scale", "--data"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--scale 2 3 4", "--scale 2 --scale 3 --scale 4"),
        ("--scale=2 3 --json --data a b", "--scale=2 --scale 3 --json --data a --data b"),
        ("--scale 2 --scale 3 4", "--scale 2 --scale 3 --scale 4"),
        ("-o out.md --scale 2 --device cpu stray", "-o out.md --scale 2 --device cpu stray"),
        ("--scale", "--scale"),
        ("--scale -2 3", "--scale -2 --scale 3"),
        ("--data a -- b c", "--data a -- b c"),
    ],
)
def test_values_get_their_options_name(given: str, expected: str) -> None:
    assert spread(given.split(), SEVERAL) == expected.split()
