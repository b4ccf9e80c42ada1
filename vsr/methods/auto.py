"""Both at once: reconstruction from several frames, led by what a network makes of each frame.

A network knows what pictures look like and sees one frame; reconstruction sees all frames and knows nothing of
pictures. Here the network's picture is what is expected (`vsr.methods.reconstruction.reconstruct`),
and what the frames recorded corrects it as far as they can be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vsr.frames import VideoFrame
from vsr.inference import PrecisionChoice
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared
from vsr.methods.network.frame import PerFrame, PerFrameOptions, PreparedPerFrame, prepare_network
from vsr.methods.reconstruction.luma import luma_of
from vsr.methods.reconstruction.multi_frame import MultiFrame, MultiFrameOptions, PreparedMultiFrame

__all__ = ["GUESSING_NETWORK", "AutoOptions", "PreparedAuto", "prepare_auto"]

GUESSING_NETWORK = "lite"
"""The weights whose pictures lead."""


@dataclass(frozen=True)
class AutoOptions(MultiFrameOptions):
    """Settings of ``auto``."""

    precision: PrecisionChoice = "auto"
    """What the network computes in; auto: half precision where the hardware is fast at it and it stays within 60 dB."""
    tile_px: int | None = None
    """Side of the tiles that large pictures are cut into, in input pixels; None: planned for the device's class."""


class _Learned:
    """Expects what a network makes of the frame; a `vsr.methods.reconstruction.multi_frame.Guesser`."""

    is_learned = True

    def __init__(self, network: PerFrame, adapt_frames: int, device: torch.device) -> None:
        self._network, self._adapt_frames, self._device = network, adapt_frames, device

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """As the network."""
        return self._network.adapt(frames[: self._adapt_frames]) if self._adapt_frames else NOT_ADAPTED

    def guess(self, frame: VideoFrame, plain: Tensor, adaptation: Adaptation) -> Tensor:
        """The network's luma."""
        return luma_of(self._network.enlarge(frame, adaptation), self._device)


@dataclass(frozen=True)
class PreparedAuto(Prepared[AutoOptions]):
    """Reconstruction from several frames, led by a network."""

    network: PreparedPerFrame

    @property
    def _reconstruction(self) -> PreparedMultiFrame:
        return PreparedMultiFrame(self.options, self.device)

    @property
    def capabilities(self) -> Capabilities:
        """Those of reconstruction and of the network together."""
        own, led = self._reconstruction.capabilities, self.network.capabilities
        return replace(own, evidence=led.evidence, adapt_frames=max(own.adapt_frames, led.adapt_frames))

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
    settings = PerFrameOptions(
        precision=options.precision, tile_px=options.tile_px, compression_codes=options.compression_codes
    )
    return PreparedAuto(options, device, prepare_network(GUESSING_NETWORK, geometry, settings, device))
