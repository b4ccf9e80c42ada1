"""The guide to networks has the table that the specs give, and names file suffixes in the order of lookup."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from vsr.networks import NETWORKS
from vsr.networks.locating import SUFFIXES

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "networks.md"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "networks_table.py"))


def test_table_is_current() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert SCRIPT["update"](text) == text, "run scripts/networks_table.py"


def test_table_has_what_each_spec_says() -> None:
    rows = SCRIPT["render_table"]().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(NETWORKS)
    for row, spec in zip(rows, NETWORKS.values(), strict=True):
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        assert cells[1:6] == [
            spec.title,
            spec.family,
            spec.framework,
            f"{spec.colour}, 0…{spec.value_range}",
            ", ".join(f"×{scale}" for scale in spec.scales),
        ]
        assert {f"{spec.num_parameters[scale]:,}" for scale in spec.scales} == set(cells[6].split(" / "))
        assert {str(spec.context_px(scale) or "all") for scale in spec.scales} == set(cells[7].split(" / "))


def test_a_page_without_the_comments_is_refused() -> None:
    with pytest.raises(ValueError, match="no table"):
        SCRIPT["update"]("# Networks\n")


def test_guide_has_the_order_of_suffixes() -> None:
    assert ", ".join(f"`{suffix}`" for suffix in SUFFIXES) in GUIDE.read_text(encoding="utf-8").replace("\n", " ")
