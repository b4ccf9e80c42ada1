"""Restoration by a network that enlarges SDR and makes HDR of it at once: PQ light in BT.2020, 10 bits.

Brightness and colours that SDR could not hold are invented. Behind it samples mean something else, so it is the last
step, as the pass `sdr-to-hdr` is; what is left to the output's size is resampled as it is encoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.media.light import pq_encode
from vsr.methods.method import Adaptation, Capabilities, Geometry
from vsr.methods.network.frame import PerFrame, PerFrameOptions, PreparedPerFrame
from vsr.methods.network.model import resolve_model
from vsr.methods.passes.sdr_to_hdr import SdrToHdrOptions, as_hdr, hdr_frame

if TYPE_CHECKING:
    from vsr.media.probe import VideoInfo

__all__ = ["InverseTone", "InverseToneOptions", "PreparedInverseTone", "as_invented", "prepare_inverse_tone_network"]


@dataclass(frozen=True)
class InverseToneOptions(PerFrameOptions):
    """Settings of `InverseTone`."""

    peak_nits: float = 1000.0
    """The brightest light in cd/m² that is kept, 200 to 10000, which the metadata say."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.of_pass("")
        if self.consistent:
            raise UsageError("consistent compares with the input, and HDR is no enlarged SDR; leave it out")

    def of_pass(self, network: str) -> SdrToHdrOptions:
        """The same for the pass `sdr-to-hdr`."""
        return SdrToHdrOptions(network=network, peak_nits=self.peak_nits)


def as_invented(video: VideoInfo, options: InverseToneOptions) -> VideoInfo:
    """`vsr.methods.passes.sdr_to_hdr.as_hdr`, by a network."""
    return as_hdr(video, options.of_pass(""))


class InverseTone(PerFrame):
    """Enlarge each frame and make HDR of it."""

    def _target(self, frame: VideoFrame) -> VideoFrame:
        return hdr_frame(frame)

    def _bands(self, batch: Sequence[VideoFrame], images: Tensor, adaptation: Adaptation) -> Iterator[Tensor]:
        assert isinstance(self._options, InverseToneOptions)
        peak = float(pq_encode(torch.tensor(self._options.peak_nits, dtype=torch.float64)))
        for band in super()._bands(batch, images, adaptation):
            yield band.clamp(0, peak)


@dataclass(frozen=True)
class PreparedInverseTone(PreparedPerFrame):
    """A network that enlarges and makes HDR."""

    @property
    def capabilities(self) -> Capabilities:
        """As of networks that see one frame; results are no enlarged input, so none is compared with it."""
        return replace(super().capabilities, measures_agreement=True)

    def open(self, geometry: Geometry) -> InverseTone:
        """See `Prepared`."""
        return InverseTone(geometry, self.options, self.torch_device, self.model)


def prepare_inverse_tone_network(
    name: str, geometry: Geometry, options: InverseToneOptions, device: str
) -> PreparedInverseTone:
    """As `vsr.methods.network.frame.prepare_network`. Raises `UsageError` for shrinking."""
    model = resolve_model(name, geometry, torch.device(device), options, one_by_one=True)
    if not model.passes:
        raise UsageError(f"{name}: makes HDR as it enlarges, and this output is smaller than the input; use sdr-to-hdr")
    return PreparedInverseTone(options, device, model)
