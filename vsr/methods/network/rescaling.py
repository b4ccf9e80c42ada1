"""Restoration by a network that enlarges what it downscaled itself, and making it small.

What was downscaled by other means comes out worse than by interpolation: nothing in the small picture tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from vsr.frames import VideoFrame
from vsr.inference import Engine, EngineOptions, Precision, measure_load
from vsr.methods.interpolation import check_size
from vsr.methods.method import Capabilities, Geometry
from vsr.methods.network.colour import PlaneWriter, network_input
from vsr.methods.network.model import Model, open_part
from vsr.methods.network.sampling import PreparedSampling, Sampling, SamplingOptions, prepare_sampling_network
from vsr.networks import Network
from vsr.networks.downscaling import downscaling_network
from vsr.observation import resample

__all__ = ["Downscaler", "PreparedRescaling", "Rescaling", "prepare_rescaling_network"]


class Downscaler:
    """Makes pictures small by the first halves of rescaling networks."""

    def __init__(self, networks: Sequence[Network], device: torch.device, tile_px: int | None = None) -> None:
        """``networks`` in the order in which they enlarge. They compute in float32: the small picture is kept."""
        self._engines = []
        for network in reversed(networks):
            halved = downscaling_network(network)
            options = EngineOptions(Precision("float32"), measure_load(halved), tile_px)
            self._engines.append((network.scale, Engine(halved, options, device)))

    def __call__(self, pictures: Tensor) -> Tensor:
        """``(B, C, H, W)`` float32 in about 0…1 → as much smaller as the networks enlarge; that divides H and W."""
        for scale, engine in self._engines:
            pictures = engine.whole(pixel_unshuffle(pictures, scale))
        return pictures


class Rescaling(Sampling):
    """Enlarge each frame by networks that made it small."""

    def __init__(self, geometry: Geometry, options: SamplingOptions, device: torch.device, model: Model) -> None:
        super().__init__(geometry, options, device, model)
        self._downscaler: Downscaler | None = None

    def downscale(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """See `vsr.methods.method.Rescaler`."""
        geometry, colour = self._geometry, self._model.parts[0].colour
        size_yx = (geometry.height, geometry.width)
        inverse = Geometry(geometry.out_width, geometry.out_height, geometry.width, geometry.height)
        for frame in frames:
            check_size(frame, inverse)
            small = self._small(network_input(frame, colour, self._device))
            writer = PlaneWriter(frame, colour, inverse, size_yx, self._device)
            writer.push(small)
            yield replace(frame, planes=writer.planes())

    def _small(self, picture: Tensor) -> Tensor:
        """``(C, H, W)`` of the output's size made as small as the input; what is no whole scale is resampled ahead."""
        factor = 1
        for scale in self._passes:
            factor *= scale
        full_yx = (self._geometry.height * factor, self._geometry.width * factor)
        if tuple(picture.shape[-2:]) != full_yx:
            picture = resample(picture, full_yx, kernel="bicubic")
        if self._downscaler is None:
            by_scale = {part.scale: open_part(self._model, part) for part in self._model.parts}
            networks = [by_scale[scale] for scale in self._passes]
            self._downscaler = Downscaler(networks, self._device, self._options.tile_px)
        return self._downscaler(picture[None])[0]


@dataclass(frozen=True)
class PreparedRescaling(PreparedSampling):
    """Networks that enlarge what they downscaled."""

    @property
    def capabilities(self) -> Capabilities:
        """As networks that sample; they make small pictures, too."""
        return replace(super().capabilities, downscales=True)

    def plan_rows(self) -> list[tuple[str, str]]:
        """As networks that sample, and what they can be used for."""
        return [
            *super().plan_rows(),
            ("made for", "pictures that this network made small itself; others come out worse"),
        ]

    def open(self, geometry: Geometry) -> Rescaling:
        """See `Prepared`."""
        return Rescaling(geometry, self.options, self.torch_device, self.model)


def prepare_rescaling_network(
    name: str, geometry: Geometry, options: SamplingOptions, device: str
) -> PreparedRescaling:
    """As `prepare_network`."""
    prepared = prepare_sampling_network(name, geometry, options, device)
    return PreparedRescaling(options, device, prepared.model)
