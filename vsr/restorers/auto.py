"""Both at once: reconstruction from several frames, led by what a network makes of each frame.

A network knows what pictures look like and sees one frame; reconstruction sees all frames and knows nothing of
pictures. Here the network's picture is what is expected (`vsr.restorers.reconstruction`), and what the frames recorded
corrects it as far as they can be believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.frames import VideoFrame
from vsr.restorers.base import Evidence, Geometry
from vsr.restorers.engine import PrecisionChoice
from vsr.restorers.model import Model
from vsr.restorers.multi_frame import MultiFrame, MultiFrameOptions, luma_of
from vsr.restorers.per_frame import PerFrame, PerFrameOptions

__all__ = ["GUESSING_NETWORK", "AutoOptions", "build_auto"]

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
    """Expects what a network makes of the frame; a `vsr.restorers.multi_frame.Guesser`."""

    def __init__(self, network: PerFrame, device: torch.device) -> None:
        self._network, self._device = network, device

    @property
    def evidence(self) -> Evidence:
        """As the network's."""
        return self._network.evidence

    @property
    def survey_frames(self) -> int:
        """As the network's."""
        return self._network.survey_frames

    def for_shot(self, frames: Sequence[VideoFrame]) -> _Learned:
        """With weights that suit the shot."""
        return _Learned(self._network.for_shot(frames[: self.survey_frames]), self._device)

    def guess(self, frame: VideoFrame, plain: Tensor) -> Tensor:
        """The network's luma."""
        return luma_of(self._network.enlarged(frame), self._device)


def build_auto(geometry: Geometry, options: AutoOptions, device: torch.device, model: Model) -> MultiFrame:
    """The restorer, where ``model`` is `GUESSING_NETWORK` settled for ``geometry``."""
    settings = PerFrameOptions(
        precision=options.precision, tile_px=options.tile_px, compression_codes=options.compression_codes
    )
    return MultiFrame(geometry, options, device, guesser=_Learned(PerFrame(geometry, settings, device, model), device))
