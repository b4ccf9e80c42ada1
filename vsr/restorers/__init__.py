"""The methods that vsr offers: frames of one shot in, better frames out.

To add one: write its class and its options beside it in a file of this folder, and give it a row in
`RESTORERS`; the contract suite in ``tests/contracts/test_restorers.py`` then covers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import torch

from vsr.errors import UsageError, nearest
from vsr.restorers.base import Evidence, Geometry, Restorer
from vsr.restorers.interpolate import Interpolate, InterpolateOptions
from vsr.restorers.multi_frame import MultiFrame, MultiFrameOptions

__all__ = ["RESTORERS", "Evidence", "Geometry", "Restorer", "RestorerSpec", "find_restorer"]

OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True)
class RestorerSpec(Generic[OptionsT]):
    """One row of `RESTORERS`: what a method is, and how to make it."""

    name: str
    """What the user calls it."""
    summary: str
    """One line for lists and help."""
    evidence: Evidence
    """What its results rest on."""
    options_type: type[OptionsT]
    """Frozen dataclass of its settings, each with a default."""
    build: Callable[[Geometry, OptionsT, torch.device], Restorer]
    """Makes one for a picture geometry, settings and device."""


def _lanczos(geometry: Geometry, options: InterpolateOptions, device: torch.device) -> Restorer:
    return Interpolate(geometry, "lanczos", device)


def _bicubic(geometry: Geometry, options: InterpolateOptions, device: torch.device) -> Restorer:
    return Interpolate(geometry, "bicubic", device)


def _table(rows: Iterable[RestorerSpec[Any]]) -> Mapping[str, RestorerSpec[Any]]:
    table: dict[str, RestorerSpec[Any]] = {}
    for row in rows:
        if row.name in table:
            raise ValueError(f"two restorers are called {row.name!r}")
        table[row.name] = row
    return MappingProxyType(table)


RESTORERS: Mapping[str, RestorerSpec[Any]] = _table(
    [
        RestorerSpec(
            "multiframe",
            "reconstruct detail from neighbouring frames through an imaging model",
            "observation-model",
            MultiFrameOptions,
            MultiFrame,
        ),
        RestorerSpec("lanczos", "resample with a 3-lobe Lanczos kernel", "interpolation", InterpolateOptions, _lanczos),
        RestorerSpec("bicubic", "resample with Keys' cubic, a = -0.5", "interpolation", InterpolateOptions, _bicubic),
    ]
)
"""Every method by name."""


def find_restorer(name: str) -> RestorerSpec[Any]:
    """The row called ``name``; raises `UsageError` naming the known ones."""
    if name not in RESTORERS:
        raise UsageError(f"no method {name!r}; known: {', '.join(RESTORERS)}{nearest(name, RESTORERS)}")
    return RESTORERS[name]
