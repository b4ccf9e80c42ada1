"""Restoration by a network that is given a sequence of frames at once, and goes through it both ways.

A whole shot would be the authors' way, and could neither be shared out nor be held. So a shot is cut into chunks of
`CHUNK_FRAMES`, and each goes through the network with `OVERLAP_FRAMES` of what lies on either side, whose results are
thrown away (ADR 77).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from vsr.frames import VideoFrame
from vsr.inference import turn
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry
from vsr.methods.network.several_frames import PreparedSeveralFrames, Seen, SeveralFrames, SeveralFramesOptions, resolve

__all__ = ["CHUNK_FRAMES", "OVERLAP_FRAMES", "InChunks", "PreparedSequence", "prepare_sequence_network"]

CHUNK_FRAMES = 24
"""Frames that are enlarged together, counted from a segment's first."""

OVERLAP_FRAMES = 8
"""Frames on each side of a chunk that go through the network with it; fewer at the ends of a shot."""


class InChunks(SeveralFrames):
    """Enlarge chunk after chunk, each frame by what all of its chunk and those around it show."""

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One enlarged frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        for chunk, first in self._chunks(self.seen(frames)):
            requested = [seen for seen in chunk[first : first + CHUNK_FRAMES] if not seen.frame.is_halo]
            if not self.enlarges:
                yield from (replace(seen.frame, planes=self.shrunk(seen.frame)) for seen in requested)
            elif requested:  # what follows a segment's last chunk is halo
                yield from self._enlarge(chunk, first, requested, adaptation)

    def _chunks(self, stream: Iterator[Seen]) -> Iterator[tuple[Sequence[Seen], int]]:
        """Chunks with what lies around them, and the place in them of the first requested frame."""
        around: deque[Seen] = deque()
        first = 0
        is_ahead = True  # of the first frame that is no halo
        for seen in stream:
            is_ahead = is_ahead and seen.frame.is_halo
            around.append(seen)
            if is_ahead:
                first = min(first + 1, OVERLAP_FRAMES)
                if len(around) > OVERLAP_FRAMES:
                    around.popleft()
            elif len(around) == first + CHUNK_FRAMES + OVERLAP_FRAMES:
                yield tuple(around), first
                first = _advance(around, first)
        while not is_ahead and len(around) > first:
            yield tuple(around), first
            first = _advance(around, first)

    def _enlarge(
        self, chunk: Sequence[Seen], first: int, requested: Sequence[Seen], adaptation: Adaptation
    ) -> Iterator[VideoFrame]:
        writers = [self.writer(seen.frame) for seen in requested]
        engine, images = self.engine(adaptation), torch.cat([seen.image for seen in chunk])[None]
        for band in self.bands(lambda number: engine.bands(turn(images, number))):
            for writer, result in zip(writers, band[0].chunk(len(chunk))[first:], strict=False):
                writer.push(result)
        for seen, writer in zip(requested, writers, strict=True):
            yield replace(seen.frame, planes=self.planes(seen.frame, writer, adaptation))


def _advance(around: deque[Seen], first: int) -> int:
    """Drop what the next chunk does not want; gives the place of its first frame."""
    for _ in range(min(len(around), max(0, first + CHUNK_FRAMES - OVERLAP_FRAMES))):
        around.popleft()
    return OVERLAP_FRAMES


@dataclass(frozen=True)
class PreparedSequence(PreparedSeveralFrames):
    """A network for sequences."""

    @property
    def capabilities(self) -> Capabilities:
        """What lies around a chunk."""
        return Capabilities(
            self.model.evidence,
            halo_frames=OVERLAP_FRAMES,
            chain_frames=CHUNK_FRAMES,
            adapt_frames=self.adapt_frames,
            bytes_per_pixel=1500,
        )

    def open(self, geometry: Geometry) -> InChunks:
        """See `Prepared`."""
        return InChunks(geometry, self.options, self.torch_device, self.model)


def prepare_sequence_network(
    name: str, geometry: Geometry, options: SeveralFramesOptions, device: str
) -> PreparedSequence:
    """The network called ``name``, or in a file of that name; see `Method.prepare`."""
    return PreparedSequence(options, device, *resolve(name, geometry, options, torch.device(device)))
