"""The guide tells of every network what the table tells."""

from __future__ import annotations

from pathlib import Path

from vsr.networks import NETWORKS
from vsr.networks.locating import SUFFIXES

GUIDE = Path(__file__).parents[3] / "docs" / "networks.md"


def test_guide_has_every_row() -> None:
    rows = {}
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `") and line.count("|") == 8:
            rows[line.split("`")[1]] = line
    assert list(rows) == list(NETWORKS)
    for name, row in NETWORKS.items():
        line = rows[name]
        assert row.title in line
        assert f"{row.colour}, 0…{row.value_range}" in line
        for scale in row.scales:
            assert f"×{scale}" in line
            assert f"{row.num_parameters[scale]:,}" in line
            assert str(row.context_px(scale)) in line.rsplit("|", 2)[1]


def test_guide_has_the_order_of_suffixes() -> None:
    assert ", ".join(f"`{suffix}`" for suffix in SUFFIXES) in GUIDE.read_text(encoding="utf-8").replace("\n", " ")
