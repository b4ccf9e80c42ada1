"""Restoration by a network that goes through a video frame by frame and remembers.

What it remembers would reach from a shot's first frame to its last, and no segment could be restored before those
ahead of it. So memory is reset every `CHAIN_FRAMES`, some frames ahead of those that it is needed for: these warm it
up, and what comes of them is thrown away (ADR 73). Where the network wants it, memory is moved along with what the
frames show ahead of each step (ADR 77).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle

from vsr.frames import VideoFrame
from vsr.inference import Engine, turn
from vsr.methods.findings import source_findings
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry
from vsr.methods.network.alignment import aligned_input
from vsr.methods.network.colour import PlaneWriter
from vsr.methods.network.model import Model, open_part
from vsr.methods.network.several_frames import (
    PreparedSeveralFrames,
    SeveralFrames,
    SeveralFramesOptions,
    resolve,
    windows,
)
from vsr.methods.source import source_in
from vsr.networks import RecurrentUpscaler
from vsr.overlap import Overlap
from vsr.registration import PreviousFrame, register_previous

__all__ = ["CHAIN_FRAMES", "PreparedRecurrent", "Recurrent", "prepare_recurrent_network"]

CHAIN_FRAMES = 48
"""Frames after which a warmed-up memory takes over, counted from a segment's first."""


_VIEWS_AHEAD = 1  # beside the one that is being made


@dataclass(frozen=True)
class _View:
    """A frame to restore and what surrounds it."""

    number: int
    """Counted from the first frame to restore."""
    frame: VideoFrame
    images: Tensor
    """``(C, h, w)``: what the network is given of it and its neighbours, one after another."""
    motions: Mapping[int, PreviousFrame | None]
    """From the frame before, by the turn of both; none for the first frame and networks that do not want it, None for
    images that are too small."""


@dataclass
class _Memory:
    """What a chain knows."""

    given: dict[int, Tensor] = field(default_factory=dict)
    """All that the step before gave, by the turn of its frames; nothing ahead of the first."""


class Recurrent(SeveralFrames):
    """Enlarge frame after frame, each by what it, its neighbours and the memory of those before show."""

    def __init__(self, geometry: Geometry, options: SeveralFramesOptions, device: torch.device, model: Model) -> None:
        super().__init__(geometry, options, device, model)
        assert isinstance(self.module, RecurrentUpscaler)
        self.is_aligned, self.warm_up_frames = self.module.is_aligned, self.module.warm_up_frames

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One enlarged frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        stream, first = self._drop_unneeded(frames)
        with (
            Overlap(self._views(stream, first), _VIEWS_AHEAD, "motion") as views,
            ThreadPoolExecutor(1, thread_name_prefix="warm-up") as pool,
        ):
            if self.enlarges:
                yield from self._enlarge(views, adaptation, pool)
            else:
                yield from (replace(v.frame, planes=self.shrunk(v.frame)) for v in views if v.number >= 0)

    def _enlarge(
        self, views: Iterable[_View], adaptation: Adaptation, pool: ThreadPoolExecutor
    ) -> Iterator[VideoFrame]:
        """Enlarged frames of ``views`` from number 0 on; ``pool`` warms the next memory up beside them."""
        engine, findings = self.engine(adaptation), source_findings(source_in(adaptation))
        memory: _Memory | None = None
        warming: _Memory | None = None
        starts_at: int | None = None
        for view in views:
            frame, number = view.frame, view.number
            starts_at = number if starts_at is None else starts_at
            if (number + self.warm_up_frames) % CHAIN_FRAMES == 0 or number == max(starts_at, -self.warm_up_frames):
                warming = _Memory()
            if number % CHAIN_FRAMES == 0:
                memory, warming = warming, None
            warmed = None if warming is None else pool.submit(self._step, engine, view, warming)
            if memory is not None:
                writer = self.writer(frame)
                self._step(engine, view, memory, writer)
                yield replace(frame, planes=self.planes(frame, writer, adaptation), findings=findings)
            if warmed is not None:
                warmed.result()

    def _drop_unneeded(self, frames: Iterable[VideoFrame]) -> tuple[Iterable[VideoFrame], int]:
        """``frames`` from the first that has an influence on, and how many there are ahead of those to restore."""
        source = iter(frames)
        ahead: deque[VideoFrame] = deque(maxlen=self.warm_up_frames + self.radius_frames)
        for frame in source:
            if not frame.is_halo:
                return chain(ahead, [frame], source), len(ahead)
            ahead.append(frame)
        return (), 0

    def _views(self, frames: Iterable[VideoFrame], first: int) -> Iterator[_View]:
        """What is known of each of ``frames`` without what is remembered; ``first`` are ahead of those to restore."""
        before: Tensor | None = None
        for number, window in enumerate(windows(self.seen(frames), self.radius_frames), -first):
            frame = window[self.radius_frames].frame
            if number >= 0 and frame.is_halo:
                return  # it was needed as a neighbour
            images = torch.cat([seen.image for seen in window])
            yield _View(number, frame, images, self._motions(before, images))
            before = images

    def _motions(self, before: Tensor | None, images: Tensor) -> Mapping[int, PreviousFrame | None]:
        if before is None or not (self.is_aligned and self.enlarges):
            return {}
        return {number: register_previous(turn(before[0], number), turn(images[0], number)) for number in self.turns}

    def _stack_input(self, view: _View, memory: _Memory, number: int) -> Tensor:
        """What the network is given of ``view`` and ``memory``, turned."""
        images, given = turn(view.images, number), memory.given.get(number)
        if self.is_aligned:
            motion = view.motions.get(number)
            return aligned_input(images, motion, given, self.num_channels, self.scale, self.pixel_channels)
        nothing = images.new_zeros((self.num_channels, *images.shape[1:]))
        return torch.cat([images, nothing if given is None else given])

    def _step(self, engine: Engine, view: _View, memory: _Memory, writer: PlaneWriter | None = None) -> None:
        """Let the network go on with ``memory``; ``writer`` takes the enlarged frame."""

        def run(number: int) -> Iterator[Tensor]:
            stacked = self._stack_input(view, memory, number)
            given, row = stacked.new_empty((self.num_channels, *stacked.shape[1:])), 0
            for band in engine.bands(stacked[None]):
                rows = slice(row, row + int(band.shape[-2]))
                given[:, rows] = band[0]
                yield pixel_shuffle(band[:, : self.pixel_channels], self.scale)
                row = rows.stop
            memory.given[number] = given

        for band in self.bands(run):
            if writer is not None:
                writer.push(band[0])


@dataclass(frozen=True)
class PreparedRecurrent(PreparedSeveralFrames):
    """A recurrent network."""

    warm_up_frames: int
    """See `RecurrentUpscaler`."""

    @property
    def capabilities(self) -> Capabilities:
        """Frames that warm the memory up and the neighbours of the first of them."""
        return Capabilities(
            self.model.evidence,
            halo_frames=self.warm_up_frames + self.radius_frames,
            chain_frames=CHAIN_FRAMES,
            adapt_frames=self.adapt_frames,
        )

    def open(self, geometry: Geometry) -> Recurrent:
        """See `Prepared`."""
        return Recurrent(geometry, self.options, self.torch_device, self.model)


def prepare_recurrent_network(
    name: str, geometry: Geometry, options: SeveralFramesOptions, device: str
) -> PreparedRecurrent:
    """The network called ``name``, or in a file of that name; see `Method.prepare`."""
    model, radius_frames = resolve(name, geometry, options, torch.device(device))
    module = open_part(model, model.parts[0]).module
    assert isinstance(module, RecurrentUpscaler)
    return PreparedRecurrent(options, device, model, radius_frames, module.warm_up_frames)
