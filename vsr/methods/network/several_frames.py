"""What methods share whose network is given several frames: windowed, recurrent, for sequences.

There is one network and one pass; what then remains to the output's size is resampled. Frames go through it one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeVar

import torch
from torch import Tensor

from vsr.frames import VideoFrame
from vsr.inference import NUM_TURNS, Engine, EngineOptions, turn_back, upload_ahead
from vsr.methods.consistency import Consistency
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Geometry
from vsr.methods.network.colour import PlaneWriter, network_input
from vsr.methods.network.frame import ADAPT_FRAMES, check_compression, check_noise
from vsr.methods.network.model import ComputeOptions, Model, PreparedNetworks, magnification, open_part, resolve_model
from vsr.networks import Upscaler, with_weights_for
from vsr.observation import degradation_at

__all__ = ["PreparedSeveralFrames", "Seen", "SeveralFrames", "SeveralFramesOptions", "resolve", "windows"]

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class SeveralFramesOptions(ComputeOptions):
    """Settings of networks that are given several frames."""

    self_ensemble: bool = False
    """Average over the eight flips and turns of each image: eight times the work, some tenths of a dB."""
    degradation: Literal["auto", "BI", "BD", "camera"] = "auto"
    """How the input was made: by a usual camera, bicubic (BI) or Gaussian (BD) shrinking; auto: BI."""
    consistent: bool = False
    """Bring the result into agreement with the input, as the degradation would have recorded it."""
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
        return "BI" if self.degradation == "auto" else self.degradation


def windows(items: Iterable[ItemT], radius: int) -> Iterator[tuple[ItemT, ...]]:
    """For each item itself in the middle of its ``radius`` neighbours on each side; the ends are repeated.

    Items are read ``radius`` ahead of their turn, and held no longer than they are anybody's neighbours.
    """
    held: deque[ItemT] = deque(maxlen=2 * radius + 1)
    for item in _with_repeated_ends(items, radius):
        held.append(item)
        if len(held) == held.maxlen:
            yield tuple(held)


def _with_repeated_ends(items: Iterable[ItemT], times: int) -> Iterator[ItemT]:
    last: list[ItemT] = []
    for item in items:
        if not last:
            yield from [item] * times
        yield item
        last = [item]
    yield from last * times


@dataclass(frozen=True)
class Seen:
    """A frame and what the network is given of it."""

    frame: VideoFrame
    image: Tensor
    """``(C, h, w)`` float32 on the device."""


class SeveralFrames:
    """One network for several frames, opened for frames of one size."""

    def __init__(self, geometry: Geometry, options: SeveralFramesOptions, device: torch.device, model: Model) -> None:
        [part] = model.parts
        network = open_part(model, part)
        assert isinstance(network.module, Upscaler), "spandrel's networks are given one frame"
        self.module, self.radius_frames = network.module, network.module.radius_frames
        self.num_channels, self.pixel_channels = network.out_channels, network.pixel_channels
        self.scale = part.scale
        self.enlarges = bool(model.passes)
        """Whether the network runs at all: it does not where the image is shrunk."""
        self.turns = range(NUM_TURNS if options.self_ensemble else 1)
        """Symmetries by which frames are turned ahead of the network."""
        self._network, self._part = network, part
        self._engine: tuple[Adaptation, Engine] | None = None  # for the weights that suit that shot
        self._takes, self.gives = network.colour, network.gives
        preset = degradation_at(options.assumed_degradation, max(magnification(geometry), Fraction(1)))
        self._offset_px = preset.offset_px
        self._shift_px = (network.module.offset_px - preset.offset_px) * part.scale if self.enlarges else 0.0
        self._geometry, self._device, self._options = geometry, device, options
        self._consistency = Consistency(geometry, options.assumed_degradation, options.noise_sigma)

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """``source``: estimates that choose the weights, where there is a choice; ``noise`` of each colour plane.

        The latter where results are to agree with the input, and its noise is not given.
        """
        learnt = dict(self._consistency.adapt(frames)) if self._options.consistent else {}
        mixture = self._network.mixture
        if mixture is not None:
            lumas = [network_input(frame, "Y", self._device)[0] for frame in frames]
            estimates = mixture.estimate(lumas, self._options.compression_codes)
            learnt |= {} if estimates is None else {"source": estimates}
        return learnt or NOT_ADAPTED

    def engine(self, adaptation: Adaptation) -> Engine:
        """The network with the weights that suit the shot, ready to run."""
        if self._engine is None or self._engine[0] is not adaptation:
            network = with_weights_for(self._network, adaptation.get("source"))
            part = self._part
            options = EngineOptions(part.precision, part.load, self._options.tile_px, runtime=part.runtime)
            self._engine = adaptation, Engine(network, options, self._device)
        return self._engine[1]

    def bands(self, run: Callable[[int], Iterator[Tensor]]) -> Iterator[Tensor]:
        """Bands of the network's result, ``(B, C, rows, scale·W)``, from top to bottom.

        ``run`` gives them for the frames turned by a symmetry (`vsr.inference.turn`), of which 0 leaves them as they
        are. All are turned back and averaged as a whole where the user wants that.
        """
        if len(self.turns) == 1:
            return run(0)
        total = self._turned_back(torch.cat(list(run(0)), -2), 0)
        for number in self.turns[1:]:
            total = total + self._turned_back(torch.cat(list(run(number)), -2), number)
        return iter([total / len(self.turns)])

    def _turned_back(self, result: Tensor, number: int) -> Tensor:
        """``result`` as it lies without the turn, border pixels repeated.

        A network that takes samples for off their blocks' centres takes them for off on the other side if turned.
        """
        own = (self.module.offset_px,) * 2
        turned = own if number < 4 else (own[0], -own[1])
        for _ in range(number % 4):
            turned = (turned[1], -turned[0])
        result = turn_back(result, number)
        for axis, was, should in zip((-2, -1), turned, own, strict=True):
            off = round((was - should) * self.scale)
            place = torch.arange(result.shape[axis], device=result.device) + off
            result = result.index_select(axis, place.clamp(0, result.shape[axis] - 1)) if off else result
        return result

    def seen(self, frames: Iterable[VideoFrame]) -> Iterator[Seen]:
        """Frames on the device with what the network takes of them, one after another."""
        for [frame] in upload_ahead(self._check(frames), self._device):
            yield Seen(frame, network_input(frame, self._takes, self._device, gives=self.gives))

    def _check(self, frames: Iterable[VideoFrame]) -> Iterator[list[VideoFrame]]:
        for frame in frames:
            check_size(frame, self._geometry)
            yield [frame]

    def writer(self, frame: VideoFrame) -> PlaneWriter:
        """Takes the network's result for ``frame``, and lays it where the input's samples say that it lies."""
        factor = self.scale if self.enlarges else 1
        size_yx = (self._geometry.height * factor, self._geometry.width * factor)
        return PlaneWriter(
            frame,
            self.gives,
            self._geometry,
            size_yx,
            self._device,
            offset_px=self._offset_px,
            shift_px=self._shift_px,
        )

    def planes(self, frame: VideoFrame, writer: PlaneWriter, adaptation: Adaptation) -> tuple[Tensor, ...]:
        """What ``writer`` was given, for ``frame``; in agreement with it where the user wants that."""
        if not self._options.consistent or not self._consistency.applies:
            return writer.planes()
        return self._consistency.with_adaptation(adaptation).project(frame, writer.planes())

    def shrunk(self, frame: VideoFrame) -> tuple[Tensor, ...]:
        """Planes of ``frame`` where the network does not run."""
        writer = self.writer(frame)
        writer.push(network_input(frame, self.gives, self._device))
        return writer.planes()


@dataclass(frozen=True)
class PreparedSeveralFrames(PreparedNetworks[SeveralFramesOptions]):
    """A network for several frames."""

    radius_frames: int
    """Frames on each side that it is given at once."""

    @property
    def adapt_frames(self) -> int:
        """First frames of a shot that are learnt from."""
        needs_noise = self.options.consistent and self.options.noise_sigma is None
        return ADAPT_FRAMES if needs_noise or self.model.adapts else 0


def resolve(name: str, geometry: Geometry, options: SeveralFramesOptions, device: torch.device) -> tuple[Model, int]:
    """The network called ``name``, or in a file of that name, and how many frames on each side it is given.

    Raises as `vsr.methods.network.model.resolve_model`.
    """
    model = resolve_model(name, geometry, device, options, one_by_one=True)
    module = open_part(model, model.parts[0]).module
    assert isinstance(module, Upscaler), "spandrel's networks are given one frame"
    return model, module.radius_frames
