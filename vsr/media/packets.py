"""Times and sizes of the packets of a segment file, and of those of a whole video, in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vsr.media.gaps import LONGEST_STEP

__all__ = ["PacketTable", "PacketTimes", "decode_times", "is_empty_sample"]


@dataclass(frozen=True, slots=True)
class PacketTimes:
    """One packet of a segment file."""

    pts: int
    """Presentation time in ticks of the encoder's time base."""
    is_key: bool
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class PacketTable:
    """The packets of a segment file, in decode order, by columns: a long video has many."""

    pts: NDArray[np.int64]
    is_key: NDArray[np.bool_]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, packets: Iterable[PacketTimes]) -> PacketTable:
        """The table of ``packets``."""
        rows = [(packet.pts, packet.is_key, packet.size) for packet in packets]
        columns = np.array(rows, np.int64).reshape(-1, 3).T
        return cls(columns[0].copy(), columns[1].astype(np.bool_), columns[2].copy())

    @classmethod
    def from_rows(cls, rows: Iterable[Iterable[int]]) -> PacketTable:
        """From what `rows` gave; TypeError or ValueError for anything else."""
        return cls.of(PacketTimes(int(pts), bool(is_key), int(size)) for pts, is_key, size in rows)

    def rows(self) -> list[list[int]]:
        """``[pts, is_key, size]`` of each packet, as plain numbers."""
        return [[packet.pts, int(packet.is_key), packet.size] for packet in self]

    def __len__(self) -> int:
        return len(self.pts)

    def __iter__(self) -> Iterator[PacketTimes]:
        for pts, is_key, size in zip(self.pts, self.is_key, self.sizes, strict=True):
            yield PacketTimes(int(pts), bool(is_key), int(size))

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, PacketTable) and self.rows() == other.rows()


def decode_times(presentation: NDArray[np.int64]) -> NDArray[np.int64]:
    """Decoding times for packets with these presentation times, given in decode order.

    The sorted times, delayed by the largest reordering depth: strictly rising and never after presentation. The
    first ones, which have no time to borrow, count back by the first frame's length, so a constant rate stays one.
    """
    if not len(presentation):
        return presentation.copy()
    ordered = np.sort(presentation)
    delay = max(0, int((np.arange(len(ordered)) - np.searchsorted(ordered, presentation)).max()))
    step = ordered[1] - ordered[0] if delay else 0
    if step > LONGEST_STEP // (delay + 1):  # a gap, which is not a frame's length
        step = np.diff(ordered).min()
    early = ordered[0] - np.arange(delay, 0, -1) * step
    return np.concatenate([early, ordered[: len(ordered) - delay]]).astype(np.int64)


def is_empty_sample(packet: av.Packet[Any]) -> bool:
    """Whether a packet is a sample without data, which would end the decoder; not PyAV's own last packet."""
    return not packet.size and (packet.pts is not None or packet.dts is not None)
