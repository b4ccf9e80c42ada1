"""Restoration by a network that enlarges what it downscaled itself, and making it small.

Which way a run goes follows from its sizes. What was downscaled by other means comes out worse than by interpolation,
and nothing in the small image tells: the mark that small files carry does (`vsr.methods.pair`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from vsr.errors import InputError, UsageError
from vsr.frames import PixelLayout, VideoFrame
from vsr.inference import Engine, EngineOptions, Precision, measure_load
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry
from vsr.methods.network.colour import PlaneWriter, network_input
from vsr.methods.network.model import Model, PreparedNetworks, is_network, magnification, open_part, plan_passes
from vsr.methods.network.sampling import PreparedSampling, Sampling, SamplingOptions, prepare_sampling_network
from vsr.methods.pair import Pair
from vsr.networks import Network, available_scales, load_network, network_family
from vsr.networks.downscaling import downscaling_network
from vsr.networks.locating import is_path
from vsr.observation import resample

__all__ = [
    "Downscaler",
    "Downscaling",
    "PreparedDownscaling",
    "PreparedRescaling",
    "Rescaling",
    "RescalingOptions",
    "find_here",
    "hides_in_colours",
    "prepare_rescaling_network",
]


@dataclass(frozen=True)
class RescalingOptions(SamplingOptions):
    """Settings of `Rescaling`."""

    unmatched: bool = False
    """Enlarge files, too, that do not say that this network made them small."""


def hides_in_colours(method: str) -> bool:
    """Whether ``method`` is a pair of networks that works on RGB, so that small files need fine chroma."""
    if not is_network(method) or network_family(method) != "rescaling":
        return False
    return load_network(method, min(available_scales(method), default=None)).colour == "RGB"


class Downscaler:
    """Makes images small by the first halves of rescaling networks."""

    def __init__(self, networks: Sequence[Network], device: torch.device, tile_px: int | None = None) -> None:
        """``networks`` in the order in which they enlarge. They compute in float32: the small image is kept."""
        self._engines = []
        for network in reversed(networks):
            halved = downscaling_network(network)
            options = EngineOptions(Precision("float32"), measure_load(halved), tile_px)
            self._engines.append((network.scale, Engine(halved, options, device)))

    def __call__(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` float32 in about 0…1 → as much smaller as the networks enlarge; that divides H and W."""
        for scale, engine in self._engines:
            images = engine.whole(pixel_unshuffle(images, scale))
        return images


class Rescaling(Sampling):
    """Enlarge each frame by networks that made it small."""

    def __init__(self, geometry: Geometry, options: SamplingOptions, device: torch.device, model: Model) -> None:
        super().__init__(geometry, options, device, model)
        self._downscaler: Downscaler | None = None

    def downscale(self, frames: Iterable[VideoFrame], *, fine_chroma: bool = False) -> Iterator[VideoFrame]:
        """See `vsr.methods.method.Rescaler`; ``fine_chroma``: chroma is as fine as luma, whatever it was."""
        geometry, colour = self._geometry, self._model.parts[0].colour
        size_yx = (geometry.height, geometry.width)
        inverse = _inverse(geometry)
        for frame in frames:
            check_size(frame, inverse)
            small = self._small(network_input(frame, colour, self._device))
            layout = _with_fine_chroma(frame.layout) if fine_chroma and colour == "RGB" else frame.layout
            writer = PlaneWriter(replace(frame, layout=layout), colour, inverse, size_yx, self._device)
            writer.push(small)
            yield replace(frame, planes=writer.planes(), layout=layout)

    def _small(self, image: Tensor) -> Tensor:
        """``(C, H, W)`` of the output's size, downscaled to the input; a fractional scale is resampled first."""
        factor = 1
        for scale in self._passes:
            factor *= scale
        full_yx = (self._geometry.height * factor, self._geometry.width * factor)
        if tuple(image.shape[-2:]) != full_yx:
            image = resample(image, full_yx, kernel="bicubic")
        if self._downscaler is None:
            by_scale = {part.scale: open_part(self._model, part) for part in self._model.parts}
            networks = [by_scale[scale] for scale in self._passes]
            self._downscaler = Downscaler(networks, self._device, self._options.tile_px)
        return self._downscaler(image[None])[0]


class Downscaling:
    """Make each frame small by the networks that enlarge it again."""

    def __init__(self, geometry: Geometry, options: RescalingOptions, device: torch.device, model: Model) -> None:
        self._geometry = geometry
        self._rescaling = Rescaling(_inverse(geometry), options, device, model)

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """Nothing: shots are all alike."""
        return NOT_ADAPTED

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One small frame for each frame that is not halo; chroma is not made coarser than luma.

        See `vsr.methods.method.Restorer`.
        """
        return self._rescaling.downscale((frame for frame in frames if not frame.is_halo), fine_chroma=True)


def _with_fine_chroma(layout: PixelLayout) -> PixelLayout:
    """``layout`` with chroma as fine as luma, by FFmpeg's name of it."""
    name = re.sub(r"4\d\dp", "444p", layout.name, count=1)
    return replace(layout, name=name, chroma_shift_x=0, chroma_shift_y=0)


def _inverse(geometry: Geometry) -> Geometry:
    return Geometry(geometry.out_width, geometry.out_height, geometry.width, geometry.height)


def _pair(name: str, model: Model) -> Pair:
    """What small files say of the networks of ``model``, which are called ``name``."""
    return Pair.of(name, math.prod(model.passes), sorted({part.digest for part in model.parts}))


def find_here(pair: Pair) -> Pair | None:
    """What is here by the name of ``pair``, for its scale; None: no pair of networks that reaches it.

    The name may come from a file's tags, so that it is never taken for a path.
    """
    if is_path(pair.name) or not is_network(pair.name) or network_family(pair.name) != "rescaling":
        return None
    passes = plan_passes(Fraction(pair.scale), available_scales(pair.name))
    if math.prod(passes) != pair.scale:
        return None
    return Pair.of(pair.name, pair.scale, sorted({load_network(pair.name, scale).digest for scale in passes}))


@dataclass(frozen=True)
class PreparedRescaling(PreparedSampling):
    """Networks that enlarge what they downscaled."""

    pair: Pair

    @property
    def capabilities(self) -> Capabilities:
        """As networks that sample; they make small images, too."""
        return replace(super().capabilities, downscales=True)

    def describe(self) -> Mapping[str, Any]:
        """The networks, and which small files are theirs."""
        return {**super().describe(), "pair": self.pair}

    def plan_rows(self) -> list[tuple[str, str]]:
        """As networks that sample, and what they can be used for."""
        samples = any(open_part(self.model, part).noise_channels for part in self.model.parts)
        return [
            *(super().plan_rows() if samples else self.model.plan_rows()),
            ("made for", "images that this network made small itself; others come out worse"),
        ]

    def open(self, geometry: Geometry) -> Rescaling:
        """See `Prepared`."""
        return Rescaling(geometry, self.options, self.torch_device, self.model)


@dataclass(frozen=True)
class PreparedDownscaling(PreparedNetworks[RescalingOptions]):
    """Networks that make small what they enlarge."""

    pair: Pair

    @property
    def capabilities(self) -> Capabilities:
        """Every frame stands for itself; no noise takes part."""
        return Capabilities("learned")

    def key(self) -> Mapping[str, Any]:
        """The networks, and the way."""
        return {**super().key(), "way": "down"}

    def describe(self) -> Mapping[str, Any]:
        """The networks, and the pair that the small file belongs to."""
        return {**super().describe(), "pair": self.pair}

    def plan_rows(self) -> list[tuple[str, str]]:
        """Networks, and how the result is enlarged again."""
        return [*super().plan_rows(), ("pair", f"{self.pair.in_words()}; vsr upscale finds it by itself")]

    def open(self, geometry: Geometry) -> Downscaling:
        """See `Prepared`."""
        return Downscaling(geometry, self.options, self.torch_device, self.model)


def prepare_rescaling_network(
    name: str, geometry: Geometry, options: RescalingOptions, device: str
) -> PreparedRescaling | PreparedDownscaling:
    """As `prepare_network`; a smaller output means the way down.

    Raises `UsageError` for a way down that the networks do not reach, `InputError` for sides that do not divide.
    """
    if geometry.out_width >= geometry.width and geometry.out_height >= geometry.height:
        prepared = prepare_sampling_network(name, geometry, options, device)
        return PreparedRescaling(options, device, prepared.model, _pair(name, prepared.model))
    times = round(magnification(_inverse(geometry)))
    way_up = Geometry(geometry.out_width, geometry.out_height, times * geometry.out_width, times * geometry.out_height)
    model = prepare_sampling_network(name, way_up, options, device).model
    factor = math.prod(model.passes)
    _check_way_down(name, geometry, factor, min(model.passes))
    return PreparedDownscaling(options, device, model, _pair(name, model))


def _check_way_down(name: str, geometry: Geometry, factor: int, scale: int) -> None:
    """Refuse sizes that are not ``factor`` apart, some passes of ``scale``."""
    size, small = f"{geometry.width}x{geometry.height}", f"{geometry.out_width}x{geometry.out_height}"
    exact = (geometry.width / factor, geometry.height / factor)
    if max(abs(geometry.out_width - exact[0]), abs(geometry.out_height - exact[1])) >= 1:
        scales = ", ".join(str(scale**count) for count in range(1, 4))
        raise UsageError(f"{name} does not make {size} into {small}; it makes frames {scales} times smaller")
    if (geometry.out_width, geometry.out_height) != exact:
        raise InputError(
            f"frames of {size}: to make them {factor} times smaller, {name} needs sides that are multiples of it; crop "
            "or pad the video first"
        )
