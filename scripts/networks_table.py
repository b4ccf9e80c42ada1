#!/usr/bin/env python3
"""Write the table of networks in docs/networks.md from ``NETWORKS``; a test fails where the page is not current."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from vsr.networks import NETWORKS, NetworkSpec

PAGE = Path(__file__).resolve().parents[1] / "docs" / "networks.md"
BLOCK = re.compile(r"(?<=<!-- networks, by scripts/networks_table\.py -->\n).*?(?=<!-- /networks -->)", re.DOTALL)
HEAD = "| name | published as | family | framework | colour, range | scales | parameters | receptive field, px |"


def render_table() -> str:
    """The table in Markdown, a row for each network."""
    rows = [
        f"| `{name}` | {spec.title} | {spec.family} | {spec.framework} | {spec.colour}, 0…{spec.value_range} "
        f"| {', '.join(f'×{scale}' for scale in spec.scales)} "
        f"| {_by_scale(spec, lambda scale, spec=spec: f'{spec.num_parameters[scale]:,}')} "
        f"| {_by_scale(spec, lambda scale, spec=spec: str(spec.context_px(scale) or 'all'))} |"
        for name, spec in NETWORKS.items()
    ]
    return "\n".join([HEAD, "|---" * (HEAD.count("|") - 1) + "|", *rows]) + "\n"


def update(text: str) -> str:
    """``text`` with the table renewed; ValueError where it has no place for one."""
    if not BLOCK.search(text):
        raise ValueError("no table of networks between its two comments")
    return BLOCK.sub(lambda _: render_table(), text)


def _by_scale(spec: NetworkSpec, value: Callable[[int], str]) -> str:
    """The value of each scale, or one if they are all the same."""
    values = [value(scale) for scale in spec.scales]
    return values[0] if len(set(values)) == 1 else " / ".join(values)


if __name__ == "__main__":
    PAGE.write_text(update(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
