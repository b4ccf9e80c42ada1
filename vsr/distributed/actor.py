"""The process of a worker. Imports nothing heavy: what a worker needs comes with its host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import ray

from vsr.distributed.dispatch import Host, Work, WorkerInfo

__all__ = ["Actor"]


class Actor:
    """Does one piece of work at a time."""

    def __init__(self, make_host: Callable[[], Host]) -> None:
        self._host = make_host()

    def describe(self) -> WorkerInfo:
        """Who this is, its machine by the name that Ray knows, too: host names need not differ."""
        info = self._host.describe()
        return replace(info, node=f"{info.node}/{ray.get_runtime_context().get_node_id()[:8]}")

    def run(self, work: Work) -> Iterator[Any]:
        """What ``work`` yields, after a first item that says it has begun: from there on it counts as a try."""
        yield None
        yield from work.run(self._host)
