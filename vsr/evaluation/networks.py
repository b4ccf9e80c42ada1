"""Networks as methods for single images: run by the methods that `vsr upscale` runs, an image a shot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from vsr.evaluation.base import ImageMethod
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.methods import NOT_ADAPTED, Geometry
from vsr.methods.method import Restorer
from vsr.methods.network.frame import PerFrameOptions, PreparedPerFrame
from vsr.methods.network.model import hold
from vsr.methods.network.rescaling import Rescaling
from vsr.methods.registry import ADAPTORS
from vsr.networks import Family, Network
from vsr.pipeline.settings import load_settings

__all__ = ["network_method"]

_DEFAULTS = {"precision": "float32", "compression_codes": 0.0, "blur_sigma_px": 0.0, "noise_codes": 0.0}
"""As published figures are taken: in float32, from images that were only shrunk."""
_USUAL_SIDE = 256  # pixels: weights and precision do not depend on it


class _OnImages:
    """Runs the method of a network on single images of any size, each of which is a shot of its own."""

    def __init__(self, network: Network, options: PerFrameOptions, device: torch.device, scale: int) -> None:
        self._network, self._options, self._device, self._scale = network, options, device, scale
        self._opened: tuple[Geometry, PreparedPerFrame, Restorer] | None = None

    def prepare(self, width: int, height: int) -> PreparedPerFrame:
        """The method for images ``width`` by ``height``."""
        prepared = ADAPTORS[self._network.family].prepare(
            hold(self._network), self._geometry(width, height), self._options, str(self._device)
        )
        assert isinstance(prepared, PreparedPerFrame), "networks that see one frame"
        return prepared

    def _geometry(self, width: int, height: int) -> Geometry:
        return Geometry(width, height, self._scale * width, self._scale * height)

    def _open(self, width: int, height: int) -> tuple[PreparedPerFrame, Restorer]:
        """What is open for this size: images of one size often come one after another."""
        geometry = self._geometry(width, height)
        if self._opened is None or self._opened[0] != geometry:
            prepared = self.prepare(width, height)
            self._opened = geometry, prepared, prepared.open(geometry)
        return self._opened[1:]

    def _frame(self, image: Tensor, ordinal: int = 0) -> VideoFrame:
        """Luma as video codes it, or RGB, in 8 bits that need not be whole."""
        is_luma = len(image) == 1
        planes = tuple(plane.to(self._device, torch.float32) for plane in image)
        layout = LAYOUTS["gray" if is_luma else "gbrp"]
        return VideoFrame(planes, layout, ColorSpec(full_range=not is_luma), ordinal, 0, Fraction(1))

    def enlarge(self, image: Tensor, ordinal: int = 0, /) -> Tensor:
        """``(C, h, w)`` in 0…255 → ``(C, scale·h, scale·w)`` float64; ``ordinal`` is that of the frame in its clip."""
        prepared, restorer = self._open(int(image.shape[-1]), int(image.shape[-2]))
        frame = self._frame(image, ordinal)
        adaptation = restorer.adapt([frame]) if prepared.capabilities.adapt_frames else NOT_ADAPTED
        [restored] = restorer.restore([frame], adaptation)
        return torch.stack(restored.planes).cpu().double()

    def downscale(self, image: Tensor) -> Tensor:
        """``(C, scale·h, scale·w)`` in 0…255 → ``(C, h, w)`` float64, unrounded."""
        _, restorer = self._open(int(image.shape[-1]) // self._scale, int(image.shape[-2]) // self._scale)
        assert isinstance(restorer, Rescaling), "the table's family and the method's are one"
        [small] = restorer.downscale([self._frame(image)])
        return torch.stack(small.planes).cpu().double()


def _options(name: str, family: Family, settings: Mapping[str, Any]) -> PerFrameOptions:
    """Those of ``settings`` that are for a network called ``name`` of ``family``. Raises `UsageError`."""
    overrides = {**_DEFAULTS, **settings, "method": name}
    options_type = ADAPTORS[family].options_type
    _, options = load_settings("default", overrides, options_type=options_type, is_lenient=True)
    assert isinstance(options, PerFrameOptions)
    return options


def network_method(
    name: str, network: Network, device: torch.device, settings: Mapping[str, Any], scale: int | None = None
) -> ImageMethod:
    """A network called ``name``, with those of ``settings`` that are for networks; in float32 by default.

    It runs as often as ``scale`` asks for; None: once.
    Raises `UsageError` for options that cannot be, `ModelError` for weights that give no numbers.
    """
    options = _options(name, network.family, settings)
    images = _OnImages(network, options, device, scale or network.scale)
    [part] = images.prepare(_USUAL_SIDE, _USUAL_SIDE).model.parts
    extras = ["self-ensemble"] * options.self_ensemble + ["consistent"] * options.consistent
    precision = part.precision.name
    described = [network.name, f"{network.num_parameters:,} parameters", network.colour, precision, *extras]
    resolved = hashlib.sha256(f"{options!r} {precision} {part.runtime}".encode()).hexdigest()
    return ImageMethod(
        name=name,
        description=", ".join(described),
        digest=f"{network.name}:{network.digest}:{resolved}",
        scale=scale or network.scale,
        colour=network.colour,
        enlarge=images.enlarge,
        make_small=images.downscale if network.family == "rescaling" else None,
        draws=network.noise_channels > 0,
    )
