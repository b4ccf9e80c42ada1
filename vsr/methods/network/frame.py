"""Restoration by a network that looks at one frame at a time.

The networks of a `Model` run one after another; what then remains to the output's size is resampled. The result comes
in bands, so a large image is never held in all its stages at once.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Literal

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.inference import (
    MOST_FRAMES,
    Engine,
    EngineOptions,
    batch_frames,
    frames_at_once,
    upload_ahead,
)
from vsr.methods.consistency import Consistency
from vsr.methods.findings import source_findings
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry
from vsr.methods.network.colour import PlaneWriter, network_input
from vsr.methods.network.model import (
    ComputeOptions,
    Model,
    ModelPart,
    PreparedNetworks,
    magnification,
    open_part,
    plan_passes,
    resolve_model,
)
from vsr.methods.source import source_in
from vsr.networks import Network, with_weights_for
from vsr.networks.mixture import Mixture
from vsr.observation import degradation_at
from vsr.overlap import map_ahead

__all__ = [
    "ADAPT_FRAMES",
    "PerFrame",
    "PerFrameOptions",
    "PreparedPerFrame",
    "check_compression",
    "check_noise",
    "have_same_source",
    "prepare_network",
]

_TRAINED_FOR = "BI"  # what networks were mostly trained to undo
_BYTES_OF_PIXEL = 16  # of a result: three colours and alpha in float32
ADAPT_FRAMES = 5
"""First frames of a shot that are learnt from, where there is something to learn."""


def check_compression(codes: float | None) -> None:
    """Raise `UsageError` unless ``codes`` is None or an error that compression can leave."""
    if codes is not None and not 0.0 <= codes <= 64.0:
        raise UsageError(f"compression_codes is {codes}; allowed are 0 (nothing was compressed) to 64")


def check_noise(sigma: float | None) -> None:
    """Raise `UsageError` unless ``sigma`` is None or noise in code values of 8 bits."""
    if sigma is not None and not 0.0 <= sigma <= 255.0:
        raise UsageError(f"noise_sigma is {sigma}; allowed are 0 to 255")


@dataclass(frozen=True)
class PerFrameOptions(ComputeOptions):
    """Settings of `PerFrame`."""

    self_ensemble: bool = False
    """Average over the eight flips and turns of each image: eight times the work, some tenths of a dB."""
    consistent: bool = False
    """Bring the result into agreement with the input, as the degradation would have recorded it."""
    degradation: Literal["auto", "BI", "BD", "camera"] = "auto"
    """How the input was made: by a usual camera, bicubic (BI) or Gaussian (BD) shrinking; auto: BI."""
    noise_sigma: float | None = None
    """Noise of the input, in code values of 8 bits, that agreement with it stops at; None: estimated for each shot."""

    compression_codes: float | None = None
    """Compression error of the input, root mean square in codes of 255; None: estimated for each shot."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_compression(self.compression_codes)
        check_noise(self.noise_sigma)

    @property
    def assumed_degradation(self) -> str:
        """A name of `vsr.observation.DEGRADATIONS`."""
        return _TRAINED_FOR if self.degradation == "auto" else self.degradation


class PerFrame:
    """Enlarge each frame by networks. Needs nothing of its neighbours."""

    def __init__(self, geometry: Geometry, options: PerFrameOptions, device: torch.device, model: Model) -> None:
        self._geometry, self._options, self._device, self._model = geometry, options, device, model
        self._passes = plan_passes(magnification(geometry), [part.scale for part in model.parts])
        self._consistency = Consistency(geometry, options.assumed_degradation, options.noise_sigma)
        self._adaptation = NOT_ADAPTED
        self._engines: dict[int, Engine] = {}  # for the weights of that adaptation
        self._opening = threading.Lock()

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """``source``: estimates that choose the weights, where there is a choice; ``noise`` of each colour plane.

        The latter where results are to agree with the input, and its noise is not given.
        """
        learnt: dict[str, Tensor] = {}
        if self._options.consistent:
            learnt |= self._consistency.adapt(frames)
        if self._model.adapts:
            lumas = [network_input(frame, "Y", self._device)[0] for frame in frames]
            estimates = self._mixture().estimate(lumas, self._options.compression_codes)
            learnt |= {} if estimates is None else {"source": estimates}
        return learnt

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One enlarged frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        size = batch_frames(self._geometry.width, self._geometry.height, self._device)
        batches = upload_ahead(self._batches(frames, size), self._device)
        for restored in map_ahead(
            lambda batch: list(self._restore(batch, size, adaptation)), batches, self._num_threads, "network"
        ):
            yield from restored

    @property
    def _num_threads(self) -> int:
        """Batches that are restored side by side; one where tiles are of a given size, whose memory nobody planned."""
        if self._options.tile_px is not None:
            return 1
        return frames_at_once(self._device, _BYTES_OF_PIXEL * self._geometry.out_width * self._geometry.out_height)

    @property
    def _size_yx(self) -> tuple[int, int]:
        """Of what the networks give."""
        factor = math.prod(self._passes)
        return self._geometry.height * factor, self._geometry.width * factor

    def _mixture(self) -> Mixture:
        part = next(part for part in self._model.parts if part.adapts)
        mixture = open_part(self._model, part).mixture
        assert mixture is not None, "parts that adapt have several sets of weights"
        return mixture

    def _engine(self, scale: int, adaptation: Adaptation) -> Engine:
        """The network for ``scale`` with the weights that suit the shot, ready to run."""
        with self._opening:
            return self._open_engine(scale, adaptation)

    def _open_engine(self, scale: int, adaptation: Adaptation) -> Engine:
        if adaptation is not self._adaptation:
            if not have_same_source(adaptation, self._adaptation):
                self._engines.clear()
            self._adaptation = adaptation
        if scale not in self._engines:
            part = next(part for part in self._model.parts if part.scale == scale)
            options = EngineOptions(
                part.precision,
                part.load,
                self._options.tile_px,
                self._options.self_ensemble,
                batch_frames(self._geometry.width, self._geometry.height, self._device),
                part.runtime,
            )
            self._engines[scale] = Engine(self._network(part, adaptation), options, self._device)
        return self._engines[scale]

    def _network(self, part: ModelPart, adaptation: Adaptation) -> Network:
        """The network of ``part`` with the weights that suit the shot."""
        return with_weights_for(open_part(self._model, part), adaptation.get("source"))

    def _bands(self, batch: Sequence[VideoFrame], images: Tensor, adaptation: Adaptation) -> Iterator[Tensor]:
        """What the networks make of ``images``, ``(B, C, H, W)``, those of ``batch`` first; from top to bottom."""
        return self._enlarge(images, adaptation, lambda given, number: given)

    def _findings(self, adaptation: Adaptation) -> dict[str, float]:
        """Findings about every frame of a shot."""
        return source_findings(source_in(adaptation))

    def _enlarge(
        self, images: Tensor, adaptation: Adaptation, stacked: Callable[[Tensor, int], Tensor]
    ) -> Iterator[Tensor]:
        """``images`` after all passes, in bands; ``stacked`` makes of them what the network of a pass takes."""
        for number, scale in enumerate(self._passes[:-1]):
            images = self._engine(scale, adaptation).whole(stacked(images, number))
        if not self._passes:
            return iter([images])
        return self._engine(self._passes[-1], adaptation).bands(stacked(images, len(self._passes) - 1))

    def _batches(self, frames: Iterable[VideoFrame], size: int) -> Iterator[list[VideoFrame]]:
        core = (frame for frame in frames if not frame.is_halo)
        while batch := list(islice(core, size)):
            for frame in batch:
                check_size(frame, self._geometry)
            yield batch

    def _restore(self, batch: Sequence[VideoFrame], size: int, adaptation: Adaptation) -> Iterator[VideoFrame]:
        """``batch`` holds up to ``size`` frames; a short last one is filled up, so that all shapes are alike."""
        colour = self._model.parts[0].colour
        inputs = [network_input(frame, colour, self._device) for frame in batch]
        images = torch.stack(inputs + inputs[-1:] * (size - len(inputs)))
        preset = degradation_at(self._options.assumed_degradation, max(magnification(self._geometry), Fraction(1)))
        writers = [
            PlaneWriter(target, colour, self._geometry, self._size_yx, self._device, offset_px=preset.offset_px)
            for target in map(self._target, batch)
        ]
        for band in self._bands(batch, images, adaptation):
            for writer, part in zip(writers, band, strict=False):
                writer.push(part)
        consistency = self._consistency.with_adaptation(adaptation)
        findings = self._findings(adaptation)
        while writers:
            frame = batch[len(batch) - len(writers)]
            planes = writers.pop(0).planes()
            if self._options.consistent and consistency.applies:
                planes = consistency.project(frame, planes)
            yield replace(self._target(frame), planes=planes, findings=findings)

    def _target(self, frame: VideoFrame) -> VideoFrame:
        """``frame`` with the layout and colours of its result."""
        return frame


def have_same_source(one: Adaptation, other: Adaptation) -> bool:
    """Whether the same weights and the same kernel follow from both."""
    for name in ("source", "kernel"):
        first, second = one.get(name), other.get(name)
        if first is not second and (first is None or second is None or not torch.equal(first, second)):
            return False
    return True


@dataclass(frozen=True)
class PreparedPerFrame(PreparedNetworks[PerFrameOptions]):
    """Networks that see one frame."""

    @property
    def capabilities(self) -> Capabilities:
        """Frames that go through the network together count as a chain, so that each keeps its place among them."""
        needs_noise = self.options.consistent and self.options.noise_sigma is None
        return Capabilities(
            evidence=self.model.evidence,
            chain_frames=MOST_FRAMES if self.torch_device.type == "cuda" else 1,
            adapt_frames=ADAPT_FRAMES if needs_noise or self.model.adapts else 0,
        )

    def open(self, geometry: Geometry) -> PerFrame:
        """See `Prepared`."""
        return PerFrame(geometry, self.options, self.torch_device, self.model)


def prepare_network(name: str, geometry: Geometry, options: PerFrameOptions, device: str) -> PreparedPerFrame:
    """The network called ``name``, or in a file of that name, for frames of the usual size; see `Method.prepare`."""
    return PreparedPerFrame(options, device, resolve_model(name, geometry, torch.device(device), options))
