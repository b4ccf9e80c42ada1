"""Tables of what there is, by name: methods, solvers, networks, codecs. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar

__all__ = ["Named", "table_of"]


class Named(Protocol):
    """A row."""

    @property
    def name(self) -> str:
        """What it is found by."""
        ...


RowT = TypeVar("RowT", bound=Named)


def table_of(kind: str, rows: Iterable[RowT]) -> Mapping[str, RowT]:
    """``rows`` by name, in their order, not to be changed. Raises `ValueError` for two ``kind`` of one name."""
    table: dict[str, RowT] = {}
    for row in rows:
        if row.name in table:
            raise ValueError(f"two {kind} are called {row.name!r}")
        table[row.name] = row
    return MappingProxyType(table)
