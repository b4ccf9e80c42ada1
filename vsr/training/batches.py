"""Batches prepared ahead, in other processes, so that the network never waits for data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch.utils.data import DataLoader, Dataset

from vsr.errors import MachineError
from vsr.training.samples import Batch, Patches

__all__ = ["Share", "batches"]

_AHEAD = 4


class Share:
    """Which part of every batch a worker of a data-parallel run sees."""

    def __init__(self, batch: int, rank: int, world: int) -> None:
        self.count = batch // world
        self.first = rank * self.count


class _Chunks(Dataset[list[Batch]]):
    """Runs of steps that share their degraded regions, each made by one process."""

    def __init__(self, patches: Patches, share: Share, start: int, stop: int) -> None:
        self._patches, self._share = patches, share
        self._start, self._stop, self._length = start, stop, patches.plan.reuse
        self.first = start // self._length
        self.count = -(-stop // self._length) - self.first

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> list[Batch]:
        chunk = self.first + number
        steps = range(max(self._start, chunk * self._length), min(self._stop, (chunk + 1) * self._length))
        return [self._patches.at(step, self._share.first, self._share.count) for step in steps]


def _as_it_is(item: list[Batch]) -> list[Batch]:
    return item


@contextmanager
def batches(patches: Patches, share: Share, start: int, stop: int, workers: int) -> Iterator[Iterator[Batch]]:
    """The batches of steps ``start`` to ``stop`` - 1, in order; the same whatever the number of processes."""
    chunks = _Chunks(patches, share, start, stop)
    loader = DataLoader(
        chunks,
        batch_size=None,
        sampler=range(len(chunks)),
        collate_fn=_as_it_is,
        num_workers=min(workers, len(chunks)),
        prefetch_factor=_AHEAD if workers and len(chunks) else None,
        multiprocessing_context="fork" if workers and len(chunks) else None,  # images in memory are shared
    )
    items = iter(loader)
    try:
        yield _one_by_one(items)
    finally:
        del items  # ends the processes


def _one_by_one(items: Iterator[list[Batch]]) -> Iterator[Batch]:
    while True:
        try:
            chunk = next(items)
        except StopIteration:
            return
        except RuntimeError as error:
            raise MachineError(
                f"a process that prepares patches ended ({' '.join(str(error).split())[:200]})"
            ) from error
        yield from chunk
