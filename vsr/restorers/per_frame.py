"""Restoration by a network that looks at one frame at a time.

The networks of a `Model` run one after another; what then remains to the output's size is resampled. The result comes
in bands, so a large picture is never held in all its stages at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Literal

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.networks import Source, adapted
from vsr.observation import degradation_at
from vsr.restorers.base import Evidence, Geometry
from vsr.restorers.consistency import Consistency
from vsr.restorers.engine import MOST_FRAMES, Engine, EngineOptions, PrecisionChoice, batch_frames, upload_ahead
from vsr.restorers.findings import source_findings
from vsr.restorers.interpolate import check_size
from vsr.restorers.model import Model, open_part
from vsr.restorers.network_colour import PlaneWriter, network_input
from vsr.restorers.passes import magnification, plan_passes

__all__ = ["PerFrame", "PerFrameOptions", "check_compression"]

_TRAINED_FOR = "BI"  # what networks were mostly trained to undo
_SURVEY_FRAMES = 5


def check_compression(codes: float | None) -> None:
    """Raise `UsageError` unless ``codes`` is None or an error that compression can leave."""
    if codes is not None and not 0.0 <= codes <= 64.0:
        raise UsageError(f"compression_codes is {codes}; allowed are 0 (nothing was compressed) to 64")


@dataclass(frozen=True)
class PerFrameOptions:
    """Settings of `PerFrame`."""

    precision: PrecisionChoice = "auto"
    """What the network computes in; auto: half precision where the hardware is fast at it and it stays within 60 dB."""
    tile_px: int | None = None
    """Side of the tiles that large pictures are cut into, in input pixels; None: planned for the device's class."""
    self_ensemble: bool = False
    """Average over the eight flips and turns of each picture: eight times the work, some tenths of a dB."""
    consistent: bool = False
    """Bring the result into agreement with the input, as the degradation would have recorded it."""
    degradation: Literal["auto", "BI", "BD", "camera"] = "auto"
    """How the input was made: by a usual camera, bicubic (BI) or Gaussian (BD) shrinking; auto: BI."""
    noise_sigma: float | None = None
    """Noise of the input, in code values of 8 bits, that agreement with it stops at; None: told from each shot."""

    compression_codes: float | None = None
    """What compression changed in the input, root mean square in codes of 255; None: told from each shot."""

    def __post_init__(self) -> None:
        check_compression(self.compression_codes)
        if self.tile_px is not None and not 16 <= self.tile_px <= 16384:
            raise UsageError(f"tile_px is {self.tile_px}; allowed are 16 to 16384 input pixels")
        if self.noise_sigma is not None and not 0.0 <= self.noise_sigma <= 255.0:
            raise UsageError(f"noise_sigma is {self.noise_sigma}; allowed are 0 to 255")

    @property
    def assumed_degradation(self) -> str:
        """A name of `vsr.observation.DEGRADATIONS`."""
        return _TRAINED_FOR if self.degradation == "auto" else self.degradation


class PerFrame:
    """Enlarge each frame by networks. Needs nothing of its neighbours."""

    def __init__(
        self,
        geometry: Geometry,
        options: PerFrameOptions,
        device: torch.device,
        model: Model,
        *,
        consistency: Consistency | None = None,
        engines: dict[int, Engine] | None = None,
        shot: Sequence[Tensor] = (),
    ) -> None:
        """``consistency`` is the comparison with the input that `for_shot` settled, ``engines`` those made so far.

        ``shot``: lumas ``(h, w)`` in 0…1 of the shot to whose source weights are to be suited, where they can be.
        """
        self._shot = shot
        self.source: Source | None = None
        """What the shot's frames tell of how they came about, where the weights are suited to that."""
        self._geometry, self._options, self._device, self._model = geometry, options, device, model
        self._passes = plan_passes(magnification(geometry), [part.scale for part in model.parts])
        self._engines = {} if engines is None else engines
        plain = Consistency(geometry, options.assumed_degradation, options.noise_sigma)
        self.consistency = consistency or plain
        """How results are compared with the input."""

    def _engine(self, scale: int) -> Engine:
        """The network for ``scale``, ready to run; made when first asked for, as plans are made without."""
        if scale not in self._engines:
            part = next(part for part in self._model.parts if part.scale == scale)
            options = EngineOptions(
                part.precision,
                part.load,
                self._options.tile_px,
                self._options.self_ensemble,
                batch_frames(self._geometry.width, self._geometry.height, self._device),
            )
            network, source = adapted(open_part(self._model, part), self._shot, self._options.compression_codes)
            self.source = source or self.source
            self._engines[scale] = Engine(network, options, self._device)
        return self._engines[scale]

    @property
    def halo_frames(self) -> int:
        """No context."""
        return 0

    @property
    def chain_frames(self) -> int:
        """Frames that go through the network together count from here, so that each keeps its place among them."""
        return MOST_FRAMES if self._device.type == "cuda" else 1

    @property
    def evidence(self) -> Evidence:
        """A learned prior, or invention."""
        return self._model.evidence

    @property
    def survey_frames(self) -> int:
        """Some to tell the source from, where weights suit it, or the noise, where results are to agree with it."""
        needs_noise = self._options.consistent and self._options.noise_sigma is None
        return _SURVEY_FRAMES if needs_noise or self._model.adapts else 0

    def for_shot(self, frames: Sequence[VideoFrame]) -> PerFrame:
        """The restorer with weights that suit the shot and its noise settled; itself where neither matters."""
        if not self.survey_frames:
            return self
        own = (self._geometry, self._options, self._device, self._model)
        consistency = self.consistency.surveyed(frames) if self._options.consistent else None
        if not self._model.adapts:
            return PerFrame(*own, consistency=consistency, engines=self._engines)
        shot = [network_input(frame, "Y", self._device)[0] for frame in frames]
        return PerFrame(*own, consistency=consistency, shot=shot)

    def stream(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """One enlarged frame for each frame that is not halo. See `vsr.restorers.base.Restorer`."""
        size = batch_frames(self._geometry.width, self._geometry.height, self._device)
        for batch in upload_ahead(self._batches(frames, size), self._device):
            yield from self._restore(batch, size)

    def enlarged(self, frame: VideoFrame) -> VideoFrame:
        """``frame``, halo or not, enlarged by itself."""
        [result] = self._restore([frame], 1)
        return result

    def _batches(self, frames: Iterable[VideoFrame], size: int) -> Iterator[list[VideoFrame]]:
        core = (frame for frame in frames if not frame.is_halo)
        while batch := list(islice(core, size)):
            for frame in batch:
                check_size(frame, self._geometry)
            yield batch

    def _restore(self, batch: Sequence[VideoFrame], size: int) -> Iterator[VideoFrame]:
        """``batch`` holds up to ``size`` frames; a short last one is filled up, so that all shapes are alike."""
        colour = self._model.parts[0].colour
        inputs = [network_input(frame, colour, self._device) for frame in batch]
        pictures = torch.stack(inputs + inputs[-1:] * (size - len(inputs)))
        for scale in self._passes[:-1]:
            pictures = self._engine(scale).whole(pictures)
        factor = math.prod(self._passes)
        size_yx = (self._geometry.height * factor, self._geometry.width * factor)
        preset = degradation_at(self._options.assumed_degradation, max(magnification(self._geometry), Fraction(1)))
        writers = [
            PlaneWriter(frame, colour, self._geometry, size_yx, self._device, offset_px=preset.offset_px)
            for frame in batch
        ]
        bands = self._engine(self._passes[-1]).bands(pictures) if self._passes else iter([pictures])
        for band in bands:
            for writer, part in zip(writers, band, strict=False):
                writer.push(part)
        while writers:
            frame = batch[len(batch) - len(writers)]
            planes = writers.pop(0).planes()
            if self._options.consistent and self.consistency.applies:
                planes = self.consistency.project(frame, planes)
            yield replace(frame, planes=planes, findings=source_findings(self.source))
