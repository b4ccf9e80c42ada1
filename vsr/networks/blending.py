"""Weights between two sets of weights: θ = (1 − α) θ_A + α θ_B (Wang et al., ESRGAN, 2018)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vsr.errors import ModelError, UsageError
from vsr.networks.files import Checkpoint

__all__ = ["Blend", "mix", "parse_blend", "without_folders"]

_BLEND = re.compile(r"(?P<first>.+?):(?P<second>.+)@(?P<share>[^@:/\\]+)")


@dataclass(frozen=True)
class Blend:
    """``first:second@share``."""

    first: str
    second: str
    share: float
    """α: 0 is the first, 1 the second."""

    def __str__(self) -> str:
        return f"{self.first}:{self.second}@{self.share:g}"


def parse_blend(text: str) -> Blend | None:
    """What ``A:B@0.3`` means; None for a plain name or path. `UsageError` if the share is not from 0 to 1."""
    match = None if Path(text).is_file() else _BLEND.fullmatch(text)
    if match is None:
        return None
    try:
        share = float(match["share"])
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"{text}: the share after @ must be a number from 0 to 1, got {match['share']}")
    return Blend(match["first"], match["second"], share)


def without_folders(text: str) -> str:
    """Weights by name, path or blend, without folders: ``runs/a.pth:b.pth@0.3`` → ``a.pth:b.pth@0.3``."""
    blend = parse_blend(text)
    if blend is None:
        return Path(text).name
    return str(replace(blend, first=Path(blend.first).name, second=Path(blend.second).name))


def mix(first: Checkpoint, second: Checkpoint, share: float) -> Checkpoint:
    """The weights between two of one architecture and size; counters are the first's. `ModelError` if they differ."""
    if first.shapes != second.shapes:
        names = sorted(first.shapes.items() ^ second.shapes.items())
        raise ModelError(
            f"cannot mix {first.path} and {second.path}: they must be of one architecture and size, "
            f"and differ in {names[0][0]}"
        )
    tensors = {
        name: torch.lerp(value, second.tensors[name], share) if value.is_floating_point() else value
        for name, value in first.tensors.items()
    }
    return replace(first, tensors=tensors, metadata={})
