"""The cells of the suite, source × shrinking × treatment × scale, and which of them a run measures."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from footage.recording import SHRINKING, TREATMENTS
from footage.sources import Source

SCALES = (2, 3, 4)

_TURNS = (
    "clip moving",
    "image moving",
    "clip fixed",
    "clip moving",
    "image fixed",
    "clip moving",
    "image moving",
)


@dataclass(frozen=True)
class Cell:
    """One thing that somebody might want to have enlarged."""

    source: Source
    shrinking: str
    treatment: str
    scale: int

    @property
    def name(self) -> str:
        """Unique, and the same in every run."""
        return f"{self.source.name}/{self.shrinking}/{self.treatment}/x{self.scale}"

    @property
    def group(self) -> tuple[str, int]:
        """What tables average over: the treatment and the scale."""
        return self.treatment, self.scale

    @property
    def seed(self) -> int:
        """Of its noise, and of its place in the order; 63 bits of its name."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big") >> 1


def all_cells(sources: Iterable[Source], treatments: Sequence[str], scales: Sequence[int]) -> list[Cell]:
    """Every combination."""
    return [
        Cell(source, shrinking, treatment, scale)
        for source in sources
        for scale in scales
        for treatment in TREATMENTS
        if treatment in treatments
        for shrinking in SHRINKING
    ]


def choose(cells: Sequence[Cell], count: int) -> list[Cell]:
    """``count`` of them, the same every time; a larger count adds to a smaller one.

    Groups take turns, and in each group clips and images, fixed and moving. Of those the source and the way of
    shrinking that were taken least come first, then chance.
    """
    groups: dict[tuple[str, int], list[Cell]] = defaultdict(list)
    for cell in sorted(cells, key=lambda cell: cell.seed):
        groups[cell.group].append(cell)
    order = sorted(groups, key=lambda group: groups[group][0].seed)
    taken: Counter[tuple[str, ...]] = Counter()
    chosen: list[Cell] = []
    for lap in range(max(map(len, groups.values()), default=0)):
        for place, group in enumerate(order):
            if groups[group] and len(chosen) < count:
                best = _next(groups[group], _TURNS[(lap + place) % len(_TURNS)], taken)
                groups[group].remove(best)
                taken.update([(best.source.name,), (best.treatment, best.shrinking)])
                chosen.append(best)
    return chosen


def _next(cells: Sequence[Cell], stratum: str, taken: Mapping[tuple[str, ...], int]) -> Cell:
    def rank(cell: Cell) -> tuple[bool, int, int]:
        uses = taken[cell.source.name,], taken[cell.treatment, cell.shrinking]
        return cell.source.stratum != stratum, *uses

    return min(cells, key=rank)
