"""Restoration by a network that enlarges to any real magnification: sizes are reached natively, nothing is resampled.

The network's features are found at the small size, in tiles as any network's result; the pixels of the output are then
read off them row by row as bands of features come, so a large image is never held in all its stages at once. Where
the output is smaller than the input, it is resampled as with other networks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType

import torch
from torch import Tensor, nn

from vsr.frames import VideoFrame
from vsr.inference import Engine, EngineOptions, batch_frames, measure_load
from vsr.methods.method import Adaptation, Geometry
from vsr.methods.network.frame import (
    PerFrame,
    PerFrameOptions,
    PreparedPerFrame,
    have_same_source,
    prepare_network,
)
from vsr.methods.network.model import Model, magnification, plan_passes
from vsr.networks import AnyScaleUpscaler, Network, available_scales
from vsr.networks.grids import Grid

__all__ = [
    "NATIVE",
    "AnyScale",
    "PreparedAnyScale",
    "features_network",
    "prepare_any_scale_network",
    "prepare_frame_network",
    "render_bands",
]

NATIVE: Mapping[str, str] = MappingProxyType({"lite": "lite-any"})
"""Weights that ship for whole magnifications, and those that stand in where their result would be shrunk by much."""

_MUCH = Fraction(4, 3)  # by how much resampling would shrink: below, what was trained for one scale is as good


class _Features(nn.Module):
    """The first half of a network as a network of its own, so that it runs as others do, in tiles and bands."""

    def __init__(self, module: AnyScaleUpscaler) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` → ``(B, F, H, W)`` float32."""
        return self.module.features(images).to(images.dtype)


def _module_of(network: Network) -> AnyScaleUpscaler:
    assert isinstance(network.module, AnyScaleUpscaler), "the table's family and the module's are one"
    return network.module


def features_network(network: Network) -> Network:
    """What finds the features of ``network``, of the family ``any-scale``; its scale is 1."""
    module = _module_of(network)
    return replace(
        network,
        module=_Features(module).eval(),
        scale=1,
        module_scale=1,
        context_px=module.features_context_px,
        out_channels=module.feature_channels,
    )


def render_bands(
    module: AnyScaleUpscaler, features: Iterator[Tensor], size_yx: tuple[int, int], out_yx: tuple[int, int]
) -> Iterator[Tensor]:
    """Bands ``(B, C, rows, out_w)`` of the enlarged image from bands ``(B, F, h, w)`` of features, top to bottom.

    The bands are the whole result, whatever the heights of the bands of features.
    """
    height, grid = size_yx[0], Grid.whole(size_yx, out_yx)
    own = (grid.y + 0.5).floor().clamp(0, height - 1).long()
    needed = (own + module.margin_px).clamp(max=height - 1)
    held: Tensor | None = None
    base = arrived = done = 0
    for band in features:
        held = band if held is None else torch.cat([held, band], -2)
        arrived += int(band.shape[-2])
        stop = int(torch.searchsorted(needed, arrived))
        if stop > done:
            yield module.render(held, grid.rows(done, stop, base))
            done = stop
        if done < len(own):
            keep = max(base, int(own[done]) - module.margin_px)
            held, base = held[..., keep - base :, :].clone(), keep


class AnyScale(PerFrame):
    """Enlarge each frame to its size by one network."""

    def __init__(self, geometry: Geometry, options: PerFrameOptions, device: torch.device, model: Model) -> None:
        super().__init__(geometry, options, device, model)
        self._enlarges = magnification(geometry) >= 1
        self._passes = ()
        self._halves: tuple[Engine, AnyScaleUpscaler] | None = None  # with the weights for that adaptation

    @property
    def _size_yx(self) -> tuple[int, int]:
        geometry = self._geometry
        return (geometry.out_height, geometry.out_width) if self._enlarges else (geometry.height, geometry.width)

    def _halves_for(self, adaptation: Adaptation) -> tuple[Engine, AnyScaleUpscaler]:
        """What finds features and what makes pixels of them, with the weights that suit the shot."""
        with self._opening:
            return self._open_halves(adaptation)

    def _open_halves(self, adaptation: Adaptation) -> tuple[Engine, AnyScaleUpscaler]:
        if self._halves is None or not have_same_source(adaptation, self._adaptation):
            part = self._model.parts[0]
            network = self._network(part, adaptation)
            features = features_network(network)
            frames = batch_frames(self._geometry.width, self._geometry.height, self._device)
            load, tile_px = measure_load(features), self._options.tile_px
            run = EngineOptions(part.precision, load, tile_px, frames=frames, runtime=part.runtime)
            self._halves = Engine(features, run, self._device), _module_of(network).to(self._device)
        self._adaptation = adaptation
        return self._halves

    def _bands(self, batch: Sequence[VideoFrame], images: Tensor, adaptation: Adaptation) -> Iterator[Tensor]:
        if not self._enlarges:
            return iter([images])
        engine, module = self._halves_for(adaptation)
        if self._options.self_ensemble:
            return iter([self._averaged(engine, module, images)])
        return self._render(module, engine.bands(images), self._small_yx, self._size_yx)

    @property
    def _small_yx(self) -> tuple[int, int]:
        return self._geometry.height, self._geometry.width

    def _averaged(self, engine: Engine, module: AnyScaleUpscaler, images: Tensor) -> Tensor:
        """The mean over the eight flips and turns of ``images``, each turned back; as a whole (`vsr.inference`)."""
        total = torch.zeros((), device=self._device)
        for turns, is_flipped in itertools.product(range(4), (False, True)):
            turned = torch.rot90(images, turns, (-2, -1))
            turned = turned.flip(-1) if is_flipped else turned
            small, large = self._small_yx, self._size_yx
            if turns % 2:
                small, large = small[::-1], large[::-1]
            result = torch.cat(list(self._render(module, engine.bands(turned), small, large)), -2)
            result = result.flip(-1) if is_flipped else result
            total = total + torch.rot90(result, -turns, (-2, -1))
        return total / 8

    def _render(
        self, module: AnyScaleUpscaler, features: Iterator[Tensor], size_yx: tuple[int, int], out_yx: tuple[int, int]
    ) -> Iterator[Tensor]:
        with torch.inference_mode():
            for band in render_bands(module, features, size_yx, out_yx):
                yield band.float()


@dataclass(frozen=True)
class PreparedAnyScale(PreparedPerFrame):
    """One network for any magnification."""

    def plan_rows(self) -> list[tuple[str, str]]:
        """The network; there are no passes."""
        kept = [row for row in super().plan_rows() if row[0] == "network"]
        return [("passes", "one, to the output's size itself"), *kept]

    def open(self, geometry: Geometry) -> AnyScale:
        """See `Prepared`."""
        return AnyScale(geometry, self.options, self.torch_device, self.model)


def prepare_any_scale_network(name: str, geometry: Geometry, options: PerFrameOptions, device: str) -> PreparedAnyScale:
    """As `prepare_network`."""
    small = Geometry(geometry.width, geometry.height, 2 * geometry.width, 2 * geometry.height)
    model = prepare_network(name, small, options, device).model
    return PreparedAnyScale(options, device, replace(model, passes=(), tiles_yx=()))


def prepare_frame_network(name: str, geometry: Geometry, options: PerFrameOptions, device: str) -> PreparedPerFrame:
    """As `prepare_network`; by `NATIVE` where the result would have to be shrunk by a third or more (ADR 109).

    Not beyond the largest magnification, in 8 bits, or by another library than torch.
    """
    if name in NATIVE and _suits_native(name, magnification(geometry), options):
        return prepare_any_scale_network(NATIVE[name], geometry, options, device)
    return prepare_network(name, geometry, options, device)


def _suits_native(name: str, factor: Fraction, options: PerFrameOptions) -> bool:
    scales = available_scales(name)
    if not 1 < factor <= max(scales):
        return False
    if options.precision in ("int8", "fastest") or options.backend not in ("auto", "torch"):
        return False
    return math.prod(plan_passes(factor, scales)) >= factor * _MUCH
