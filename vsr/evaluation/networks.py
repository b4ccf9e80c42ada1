"""Networks as methods for single pictures: run by the engine that `vsr upscale` uses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from vsr.evaluation.base import PictureMethod
from vsr.frames import ColorSpec, VideoFrame
from vsr.inference import Engine, EngineOptions, Precision, choose_precision, measure_load
from vsr.media.layouts import LAYOUTS
from vsr.methods import NOT_ADAPTED, Geometry
from vsr.methods.consistency import Consistency
from vsr.methods.network.conditioned import ConditionedOptions, resolve_conditions
from vsr.methods.network.frame import PerFrameOptions
from vsr.methods.network.rescaling import Downscaler
from vsr.methods.network.sampling import SamplingOptions, stack_noise
from vsr.methods.registry import ADAPTORS
from vsr.methods.source import estimate_source
from vsr.metrics import luma_bt601
from vsr.networks import Family, Network, with_weights_for
from vsr.pipeline.settings import load_settings

__all__ = ["network_method"]

_DEFAULTS = {"precision": "float32", "compression_codes": 0.0, "blur_sigma_px": 0.0, "noise_codes": 0.0}
"""As published figures are taken: in float32, from pictures that were only shrunk."""


class _Enlarger:
    """Runs a network over pictures of any size."""

    def __init__(self, network: Network, precision: Precision, options: PerFrameOptions, device: torch.device) -> None:
        self._run = EngineOptions(precision, measure_load(network), options.tile_px, options.self_ensemble)
        self._network, self._options, self._device = network, options, device
        self._engine = Engine(network, self._run, device)

    def _engine_for(self, given: Tensor) -> Engine:
        """With weights that suit the picture ``(C, h, w)``, where there is a choice."""
        if self._network.mixture is None:
            return self._engine
        estimates = self._network.mixture.estimate([given[0]], self._options.compression_codes)
        return Engine(with_weights_for(self._network, estimates), self._run, self._device)

    def __call__(self, picture: Tensor, ordinal: int = 0, /) -> Tensor:
        """``(C, h, w)`` in 0…255 → ``(C, scale·h, scale·w)`` float64; ``ordinal`` is that of the frame in its clip."""
        given = (picture / 255).to(self._device, torch.float32)
        result = self._enlarge(self._engine_for(given), given[None], ordinal) * 255
        if self._options.consistent:
            result = self._agreeing(result, picture)
        return result.cpu().double()

    def _enlarge(self, engine: Engine, pictures: Tensor, ordinal: int) -> Tensor:
        """What ``engine`` makes of one picture, ``(1, C, h, w)``: the mean of the samples, where it is given noise."""
        options, channels = self._options, self._network.noise_channels
        if isinstance(options, ConditionedOptions):
            return engine.whole(self._stack_conditions(pictures, options))[0]
        if not isinstance(options, SamplingOptions):
            return engine.whole(pictures)[0]
        numbers = range(options.samples)
        given = (stack_noise(pictures, [ordinal], channels, options, sample=number) for number in numbers)
        return torch.stack([engine.whole(one)[0] for one in given]).mean(0)

    def _stack_conditions(self, pictures: Tensor, options: ConditionedOptions) -> Tensor:
        """One picture, ``(1, C, h, w)``, with what the network is told of it."""
        luma = luma_bt601(255 * pictures[0]) / 255 if len(pictures[0]) == 3 else pictures[0, 0]
        estimates = estimate_source([luma]) if options.estimates else None
        adaptation = NOT_ADAPTED if estimates is None else {"source": estimates}
        return resolve_conditions(self._network, options, adaptation).stacked(self._network, pictures)

    def _agreeing(self, result: Tensor, picture: Tensor) -> Tensor:
        """``result`` projected onto what was given; see `vsr.methods.consistency`."""
        (height, width), (out_height, out_width) = picture.shape[-2:], result.shape[-2:]
        options, layout = self._options, LAYOUTS["gray" if len(picture) == 1 else "gbrp"]
        given = tuple(plane.to(self._device, torch.float32) for plane in picture)
        frame = VideoFrame(given, layout, ColorSpec(full_range=True), 0, 0, Fraction(1))
        geometry = Geometry(width, height, out_width, out_height)
        consistency = Consistency(geometry, options.assumed_degradation, options.noise_sigma)
        return torch.stack(consistency.project(frame, tuple(result)))


class _Shrinker:
    """Makes pictures small by a network that enlarges what it downscaled."""

    def __init__(self, network: Network, options: PerFrameOptions, device: torch.device) -> None:
        self._downscaler, self._device = Downscaler([network], device, options.tile_px), device

    def __call__(self, picture: Tensor) -> Tensor:
        """``(C, scale·h, scale·w)`` in 0…255 → ``(C, h, w)`` float64, unrounded."""
        given = (picture / 255).to(self._device, torch.float32)
        return (self._downscaler(given[None])[0] * 255).cpu().double()


def _options(name: str, family: Family, settings: Mapping[str, Any]) -> PerFrameOptions:
    """Those of ``settings`` that are for a network called ``name`` of ``family``. Raises `UsageError`."""
    overrides = {**_DEFAULTS, **settings, "method": name}
    options_type = ADAPTORS[family].options_type
    _, options = load_settings("default", overrides, options_type=options_type, is_lenient=True)
    assert isinstance(options, PerFrameOptions)
    return options


def network_method(name: str, network: Network, device: torch.device, settings: Mapping[str, Any]) -> PictureMethod:
    """A network called ``name``, with those of ``settings`` that are for networks; in float32 by default.

    Raises `UsageError` for options that cannot be, `ModelError` for weights that give no numbers.
    """
    options = _options(name, network.family, settings)
    if isinstance(options, ConditionedOptions):
        resolve_conditions(network, options)  # refuses what the network does not know
    precision = choose_precision(network, options.precision, device)
    extras = ["self-ensemble"] * options.self_ensemble + ["consistent"] * options.consistent
    described = [network.name, f"{network.num_parameters:,} parameters", network.colour, precision.name, *extras]
    resolved = hashlib.sha256(f"{options!r} {precision.name}".encode()).hexdigest()
    return PictureMethod(
        name=name,
        description=", ".join(described),
        digest=f"{network.name}:{network.digest}:{resolved}",
        scale=network.scale,
        colour=network.colour,
        enlarge=_Enlarger(network, precision, options, device),
        make_small=_Shrinker(network, options, device) if network.family == "rescaling" else None,
    )
