"""`selfex`: what frames lack is taken from where the shot shows the same larger.

Examples come from the first frames of a shot and serve the whole shot, so that equal content gets equal detail in all
of its frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.methods.interpolation import check_size, resample_plane
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared
from vsr.methods.network.colour import PlaneWriter, network_input
from vsr.methods.network.model import magnification, plan_passes
from vsr.methods.self_examples.patches import LEAST_SIDE_PX, enlarge_by_examples, gather_examples, step_factors

__all__ = ["PreparedSelfExamples", "SelfExamples", "SelfExamplesOptions", "prepare_self_examples"]

_MOST_EXAMPLES, _MOST_FRAMES = 200_000, 100
_HELD_BYTES = 100  # for each pixel of the output: 41 measured, 140 MiB whatever the size, frames on their way
_EXAMPLE_BYTES = (
    11  # for each pixel of a frame that examples are taken from: the frame, its luma, places and their draw
)


@dataclass(frozen=True)
class SelfExamplesOptions:
    """Settings of `SelfExamples`."""

    most_examples: int = 4000
    """Patches of a shot that all others are compared with; work grows with them."""
    example_frames: int = 4
    """First frames of a shot that they are taken from."""

    def __post_init__(self) -> None:
        for name, most in (("most_examples", _MOST_EXAMPLES), ("example_frames", _MOST_FRAMES)):
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"{name} is {getattr(self, name)}; allowed are 1 to {most}")


class SelfExamples:
    """Enlarge each frame after examples of its shot; by interpolation where there are none."""

    def __init__(self, geometry: Geometry, options: SelfExamplesOptions, device: torch.device, scale: int) -> None:
        self._geometry, self._options, self._device, self._scale = geometry, options, device, scale

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """``patches`` and ``details``; nothing where frames are too small, flat, or not enlarged."""
        lumas = [network_input(frame, "Y", self._device)[0] for frame in frames]
        if self._scale < 2 or not lumas or min(lumas[0].shape) < LEAST_SIDE_PX:
            return NOT_ADAPTED
        found = gather_examples(lumas, step_factors(self._scale)[1], self._options.most_examples)
        return {name: value.cpu() for name, value in found.items()} if len(found["patches"]) else NOT_ADAPTED

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One enlarged frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        examples = {name: value.to(self._device) for name, value in adaptation.items()}
        for frame in frames:
            check_size(frame, self._geometry)
            if frame.is_halo:
                continue
            planes = self._enlarged(frame, examples) if examples else self._interpolated(frame)
            count = float(len(examples["patches"])) if examples else 0.0
            yield replace(frame, planes=planes, findings={"examples": count})

    def _interpolated(self, frame: VideoFrame) -> tuple[Tensor, ...]:
        planes = range(frame.layout.num_planes)
        return tuple(resample_plane(frame, number, self._geometry, "bicubic", self._device) for number in planes)

    def _enlarged(self, frame: VideoFrame, examples: Adaptation) -> tuple[Tensor, ...]:
        luma = network_input(frame, "Y", self._device)[0]
        size_yx = (self._geometry.height * self._scale, self._geometry.width * self._scale)
        writer = PlaneWriter(frame, "Y", self._geometry, size_yx, self._device)
        writer.push(enlarge_by_examples(luma, self._scale, examples)[None])
        return writer.planes()


@dataclass(frozen=True)
class PreparedSelfExamples(Prepared[SelfExamplesOptions]):
    """Examples of each shot."""

    scale: int
    """Magnification by examples; what then remains is resampled. 1: nothing is enlarged."""

    @property
    def capabilities(self) -> Capabilities:
        """Frames stand for themselves once examples are gathered."""
        frames = self.options.example_frames if self.scale > 1 else 0
        held = _HELD_BYTES + -(-frames * _EXAMPLE_BYTES // self.scale**2)
        return Capabilities("learned", adapt_frames=frames, bytes_per_pixel=held)

    def open(self, geometry: Geometry) -> SelfExamples:
        """See `Prepared`."""
        return SelfExamples(geometry, self.options, self.torch_device, _scale_of(geometry))


def _scale_of(geometry: Geometry) -> int:
    """That of the magnification, rounded up."""
    return max(1, *plan_passes(magnification(geometry), ()), 1)


def prepare_self_examples(geometry: Geometry, options: SelfExamplesOptions, device: str) -> PreparedSelfExamples:
    """See `vsr.methods.method.Method`."""
    return PreparedSelfExamples(options, device, _scale_of(geometry))
