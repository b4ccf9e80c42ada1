"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

__all__ = ["Phase", "Stopwatch"]

Phase = Literal["data", "network", "update", "validation", "keeping"]
"""Waiting for patches; the network forth and back, with the loss; gradients and weights; measuring; writing files."""


class Stopwatch:
    """Seconds by phase, summed up over all parts of a run that was continued."""

    def __init__(self, before: Mapping[str, float]) -> None:
        self.seconds: dict[str, float] = dict(before)

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Counts the time of a block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - began

    @property
    def stepping(self) -> float:
        """Seconds spent on steps: data, network, update."""
        return sum(self.seconds.get(phase, 0.0) for phase in ("data", "network", "update"))

    @property
    def network_share(self) -> float:
        """Of the time of steps, the network's own arithmetic; 0 before the first."""
        return self.seconds.get("network", 0.0) / self.stepping if self.stepping else 0.0
