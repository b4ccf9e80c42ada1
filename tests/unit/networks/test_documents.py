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


def test_table_has_the_figures_of_the_papers() -> None:
    lines = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.count(" | ") == 7]
    rows = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    assert set(rows) == set(NETWORKS)
    assert "Kim, Lee, Lee, CVPR 2016" in rows["vdsr"]
    assert "| 665,921 |" in rows["vdsr"]
    assert "| RGB, 0…255 | ×2, ×3, ×4 | 40,729,627 / 43,680,027 / 43,089,947 |" in rows["edsr"]
    assert "| recurrent |" in rows["rlsp-7-48"]


def test_a_page_without_the_comments_is_refused() -> None:
    with pytest.raises(ValueError, match="no table"):
        SCRIPT["update"]("# Networks\n")


def test_guide_has_the_order_of_suffixes() -> None:
    assert ", ".join(f"`{suffix}`" for suffix in SUFFIXES) in GUIDE.read_text(encoding="utf-8").replace("\n", " ")
