"""Both at once: reconstruction from several frames, led by what a network makes of them.

A network knows what images look like; reconstruction knows what all frames recorded. Here the network's image is
what is expected (`vsr.methods.reconstruction.reconstruct`), and what the frames recorded corrects it as far as they can
be used. At ×2 and ×4 the network is one that remembers earlier frames (ADR 88). Before a camera that stands still
nothing new is recorded, and the image of such a network is the result (ADR 115).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vsr.frames import VideoFrame
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared
from vsr.methods.network.frame import PerFrame, PerFrameOptions, PreparedPerFrame, prepare_network
from vsr.methods.network.model import ComputeOptions, magnification, plan_passes
from vsr.methods.network.recurrent import CHAIN_FRAMES as MEMORY_FRAMES
from vsr.methods.network.recurrent import PreparedRecurrent, Recurrent, prepare_recurrent_network
from vsr.methods.network.several_frames import SeveralFramesOptions
from vsr.methods.reconstruction.luma import luma_of
from vsr.methods.reconstruction.multi_frame import CHAIN_FRAMES, MultiFrame, PreparedMultiFrame
from vsr.methods.reconstruction.options import MultiFrameOptions
from vsr.methods.reconstruction.weighing import Leading
from vsr.networks import available_scales

__all__ = ["AutoOptions", "PreparedAuto", "leading_network", "prepare_auto"]

_NETWORKS = ("video", "lite")
"""Weights that lead: the first where they have the scale that the second would take."""
assert CHAIN_FRAMES == MEMORY_FRAMES, "both are reset at the same frames"


def leading_network(geometry: Geometry) -> str:
    """The weights whose images lead: those that remember, where one pass of them gives the size."""
    several, single = (plan_passes(magnification(geometry), available_scales(name)) for name in _NETWORKS)
    return _NETWORKS[several != single]


@dataclass(frozen=True)
class AutoOptions(MultiFrameOptions, ComputeOptions):
    """Settings of ``auto``."""

    def __post_init__(self) -> None:
        MultiFrameOptions.__post_init__(self)
        ComputeOptions.__post_init__(self)


class _Learned:
    """Expects what a network makes of frames; a `vsr.methods.reconstruction.multi_frame.Guesser`."""

    def __init__(self, network: PerFrame | Recurrent, adapt_frames: int, device: torch.device) -> None:
        self.leading: Leading = "frames" if isinstance(network, Recurrent) else "frame"
        self._network, self._adapt_frames, self._device = network, adapt_frames, device

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """As the network."""
        return self._network.adapt(frames[: self._adapt_frames]) if self._adapt_frames else NOT_ADAPTED

    def guesses(self, frames: Iterable[VideoFrame], adaptation: Adaptation) -> Iterator[Tensor]:
        """The lumas that the network makes of ``frames``."""
        return (luma_of(frame, self._device) for frame in self.restore(frames, adaptation))

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation) -> Iterator[VideoFrame]:
        """What the network makes of ``frames``."""
        return self._network.restore(frames, adaptation)


@dataclass(frozen=True)
class PreparedAuto(Prepared[AutoOptions]):
    """Reconstruction from several frames, led by a network."""

    network: PreparedPerFrame | PreparedRecurrent

    @property
    def _reconstruction(self) -> PreparedMultiFrame:
        return PreparedMultiFrame(self.options, self.device)

    @property
    def capabilities(self) -> Capabilities:
        """Those of reconstruction and of the network together."""
        own, led = self._reconstruction.capabilities, self.network.capabilities
        return replace(
            own,
            evidence=led.evidence,
            halo_frames=max(own.halo_frames, led.halo_frames),
            adapt_frames=max(own.adapt_frames, led.adapt_frames),
        )

    def key(self) -> Mapping[str, Any]:
        """What tells the source, and the network."""
        return {**self._reconstruction.key(), **self.network.key()}

    def describe(self) -> Mapping[str, Any]:
        """What tells the source, and the network."""
        return {**self._reconstruction.describe(), "model": self.network.model}

    def plan_rows(self) -> list[tuple[str, str]]:
        """Passes and network."""
        return self.network.plan_rows()

    def open(self, geometry: Geometry) -> MultiFrame:
        """See `Prepared`."""
        network, device = self.network, self.torch_device
        guesser = _Learned(network.open(geometry), network.capabilities.adapt_frames, device)
        return MultiFrame(geometry, self.options, device, guesser=guesser)


def prepare_auto(geometry: Geometry, options: AutoOptions, device: str) -> PreparedAuto:
    """See `vsr.methods.method.Method`."""
    name = leading_network(geometry)
    computing = options.precision, options.backend, options.tile_px
    codes, degradation = options.compression_codes, options.degradation
    network: PreparedPerFrame | PreparedRecurrent
    if name == _NETWORKS[0]:
        several = SeveralFramesOptions(*computing, degradation=degradation, compression_codes=codes)
        network = prepare_recurrent_network(name, geometry, several, device)
    else:
        single = PerFrameOptions(*computing, degradation=degradation, compression_codes=codes)
        network = prepare_network(name, geometry, single, device)
    return PreparedAuto(options, device, network)
