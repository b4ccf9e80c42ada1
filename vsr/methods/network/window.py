"""Restoration by a network that is given a frame together with its neighbours in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vsr.frames import VideoFrame
from vsr.inference import Engine, turn
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry
from vsr.methods.network.alignment import aligned_window
from vsr.methods.network.colour import PlaneWriter
from vsr.methods.network.model import Model
from vsr.methods.network.several_frames import (
    PreparedSeveralFrames,
    Seen,
    SeveralFrames,
    SeveralFramesOptions,
    resolve,
    windows,
)
from vsr.networks import WindowUpscaler

__all__ = ["PreparedWindowed", "Windowed", "prepare_window_network"]


class Windowed(SeveralFrames):
    """Enlarge each frame by what it and its neighbours show. At the ends of a shot frames are repeated."""

    def __init__(self, geometry: Geometry, options: SeveralFramesOptions, device: torch.device, model: Model) -> None:
        super().__init__(geometry, options, device, model)
        self._is_aligned = isinstance(self.module, WindowUpscaler) and self.module.is_aligned

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One enlarged frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        engine = self.engine(adaptation)
        for window in windows(self.seen(frames), self.radius_frames):
            frame = window[self.radius_frames].frame
            if frame.is_halo:
                continue
            if not self.enlarges:
                yield replace(frame, planes=self.shrunk(frame))
                continue
            yield replace(frame, planes=self.planes(frame, self._enlarge(window, engine), adaptation))

    def _enlarge(self, window: tuple[Seen, ...], engine: Engine) -> PlaneWriter:
        """What has taken the result for the frame in the middle."""
        writer = self.writer(window[self.radius_frames].frame)

        def run(number: int) -> Iterator[Tensor]:
            images = [turn(seen.image, number) for seen in window]
            stacked = aligned_window(images, self.scale) if self._is_aligned else torch.cat(images)
            return engine.bands(stacked[None])

        for band in self.bands(run):
            writer.push(band[0])
        return writer


@dataclass(frozen=True)
class PreparedWindowed(PreparedSeveralFrames):
    """A network for a window of frames."""

    @property
    def capabilities(self) -> Capabilities:
        """The window's radius on each side."""
        return Capabilities(self.model.evidence, halo_frames=self.radius_frames, adapt_frames=self.adapt_frames)

    def open(self, geometry: Geometry) -> Windowed:
        """See `Prepared`."""
        return Windowed(geometry, self.options, self.torch_device, self.model)


def prepare_window_network(
    name: str, geometry: Geometry, options: SeveralFramesOptions, device: str
) -> PreparedWindowed:
    """The network called ``name``, or in a file of that name; see `Method.prepare`."""
    return PreparedWindowed(options, device, *resolve(name, geometry, options, torch.device(device)))
