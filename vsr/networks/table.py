"""`NETWORKS`: every architecture of our own, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import torch

from vsr.networks.base import NetworkSpec, Upscaler
from vsr.networks.fsrcnn import FSRCNN, recognise_fsrcnn

__all__ = ["NETWORKS"]


def _context_of(build: Callable[[int], Upscaler]) -> Callable[[int], int | None]:
    """Receptive field by scale, read off a module without weights."""

    def context_px(scale: int) -> int | None:
        with torch.device("meta"):
            return build(scale).context_px

    return context_px


def _table(rows: Iterable[NetworkSpec]) -> Mapping[str, NetworkSpec]:
    table: dict[str, NetworkSpec] = {}
    for row in rows:
        if row.name in table:
            raise ValueError(f"two networks are called {row.name!r}")
        table[row.name] = row
    return MappingProxyType(table)


NETWORKS: Mapping[str, NetworkSpec] = _table(
    [
        NetworkSpec(
            name="fsrcnn",
            title="Dong, Loy, Tang, ECCV 2016: FSRCNN(56, 12, 4)",
            framework="post-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=FSRCNN,
            num_parameters=dict.fromkeys((2, 3, 4), 12_809),
            context_px=_context_of(FSRCNN),
            recognise=recognise_fsrcnn,
        ),
    ]
)
"""Every architecture of our own, by name. What is not here is tried with spandrel (`vsr.networks.spandrel_models`)."""
