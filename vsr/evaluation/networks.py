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
from vsr.media.layouts import LAYOUTS
from vsr.networks import NETWORKS, Network, with_weights_for
from vsr.pipeline.settings import load_settings
from vsr.restorers import Geometry
from vsr.restorers.consistency import Consistency
from vsr.restorers.engine import Engine, EngineOptions, Precision, choose_precision, measure_load
from vsr.restorers.per_frame import PerFrameOptions

__all__ = ["network_method"]

_DEFAULTS = {"precision": "float32", "compression_codes": 0.0}  # published figures: float32, nothing compressed


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

    def __call__(self, picture: Tensor) -> Tensor:
        """``(C, h, w)`` in 0…255 → ``(C, scale·h, scale·w)`` float64."""
        given = (picture / 255).to(self._device, torch.float32)
        result = self._engine_for(given).whole(given[None])[0] * 255
        if self._options.consistent:
            result = self._agreeing(result, picture)
        return result.cpu().double()

    def _agreeing(self, result: Tensor, picture: Tensor) -> Tensor:
        """``result`` projected onto what was given; see `vsr.restorers.consistency`."""
        (height, width), (out_height, out_width) = picture.shape[-2:], result.shape[-2:]
        options, layout = self._options, LAYOUTS["gray" if len(picture) == 1 else "gbrp"]
        given = tuple(plane.to(self._device, torch.float32) for plane in picture)
        frame = VideoFrame(given, layout, ColorSpec(full_range=True), 0, 0, Fraction(1))
        geometry = Geometry(width, height, out_width, out_height)
        consistency = Consistency(geometry, options.assumed_degradation, options.noise_sigma)
        return torch.stack(consistency.project(frame, tuple(result)))


def _options(settings: Mapping[str, Any]) -> PerFrameOptions:
    """Those of ``settings`` that are for networks, which all have the same. Raises `UsageError`."""
    _, options = load_settings("default", {**_DEFAULTS, **settings, "method": next(iter(NETWORKS))})
    assert isinstance(options, PerFrameOptions)
    return options


def network_method(name: str, network: Network, device: torch.device, settings: Mapping[str, Any]) -> PictureMethod:
    """A network called ``name``, with those of ``settings`` that are for networks; in float32 by default.

    Raises `UsageError` for options that cannot be, `ModelError` for weights that give no numbers.
    """
    options = _options(settings)
    precision = choose_precision(network, options.precision, device)
    extras = ["self-ensemble"] * options.self_ensemble + ["consistent"] * options.consistent
    described = [network.name, f"{network.num_parameters:,} parameters", network.colour, precision.name, *extras]
    settled = hashlib.sha256(f"{options!r} {precision.name}".encode()).hexdigest()
    return PictureMethod(
        name=name,
        description=", ".join(described),
        digest=f"{network.name}:{network.digest}:{settled}",
        scale=network.scale,
        colour=network.colour,
        enlarge=_Enlarger(network, precision, options, device),
    )
