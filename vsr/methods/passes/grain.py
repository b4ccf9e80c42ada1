"""Adds film grain: that which `degrain` took away, rendered again at the size of the output, or one that is described.

Each frame has its own grain, counted from the seed and the frame's number (`vsr.randomness`), so every worker makes the
same. It is as strong at each brightness and as coarse in the image as the shot's own was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.media.convert import code_range
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared
from vsr.methods.passes.grain_model import LEVELS, SIDE, Grain, PlaneGrain, color_planes, plane_values
from vsr.randomness import NoiseField

__all__ = ["AddGrain", "GrainOptions", "PreparedGrain", "prepare_grain"]

_MOST_SEED = (1 << 64) - 1


@dataclass(frozen=True)
class GrainOptions:
    """Settings of `AddGrain`."""

    strength: float = 1.0
    """Times the grain that was measured, above 0 to 4."""
    sigma_codes: float = 0.0
    """Standard deviation in codes of 255, to 50, of grain that is described; 0: as `degrain` measured it."""
    size_px: float = 1.0
    """Of grain that is described: how coarse it is, in pixels of the output, 0.5 to 8."""
    seed: int = 0
    """From 0: another one gives other grain of the same kind."""

    def __post_init__(self) -> None:
        if not 0.0 < self.strength <= 4.0:
            raise UsageError(f"strength is {self.strength}; grain takes values above 0, to 4")
        if not 0.0 <= self.sigma_codes <= 50.0:
            raise UsageError(f"sigma_codes is {self.sigma_codes}; grain takes 0 to 50")
        if not 0.5 <= self.size_px <= 8.0:
            raise UsageError(f"size_px is {self.size_px}; grain takes 0.5 to 8 pixels")
        if not 0 <= self.seed <= _MOST_SEED:
            raise UsageError(f"seed is {self.seed}; allowed are 0 to 2^64-1")


class AddGrain:
    """Adds grain to frames of the output's size."""

    def __init__(self, geometry: Geometry, options: GrainOptions) -> None:
        self._geometry, self._options = geometry, options

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """Nothing: `degrain` measures."""
        return NOT_ADAPTED

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One frame for each frame that is not halo; ``adaptation`` is that of `Degrain`."""
        measured = Grain.from_tensors(adaptation)
        for frame in frames:
            check_size(frame, self._geometry)
            if frame.is_halo:
                continue
            grain = self._described(frame) if self._options.sigma_codes else measured
            floats = replace(frame, planes=tuple(plane.float() for plane in frame.planes))
            yield floats if grain is None else self._add(floats, grain)

    def _described(self, frame: VideoFrame) -> Grain:
        """Grain of the options, alike in all planes of RGB, and in the luma alone of YUV."""
        sigma = self._options.size_px / math.sqrt(8 * math.log(2))
        rows, cols = torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)
        power = torch.exp(-((2 * math.pi * sigma) ** 2) * (rows.square() + cols.square()))
        whole = torch.cat([power, power[:, 1:-1]], 1)
        plane = PlaneGrain(torch.full((LEVELS,), self._options.sigma_codes / 255), power / whole.mean())
        count = len(color_planes(frame))
        if frame.layout.family != "rgb":
            none = PlaneGrain(torch.zeros(LEVELS), plane.spectrum)
            return Grain((frame.height, frame.width), (plane, *[none] * (count - 1)), torch.eye(count))
        mixing = torch.zeros(count, count)
        mixing[:, 0] = 1.0
        return Grain((frame.height, frame.width), (plane,) * count, mixing)

    def _add(self, frame: VideoFrame, grain: Grain) -> VideoFrame:
        planes, codes = list(frame.planes), 0.0
        for number, noise in enumerate(self._rendered(frame, grain)):
            is_chroma = frame.layout.is_chroma(number)
            strength = self._options.strength * grain.planes[number].strength_at(plane_values(frame, number))
            span = code_range(frame.layout, frame.color.full_range, is_chroma)[1]
            planes[number] = planes[number] + span * strength * noise.to(strength.device)
            codes = codes if number else 255 * float(strength.mean())
        return replace(frame, planes=tuple(planes), findings={**frame.findings, "grain_added_codes": codes})

    def _rendered(self, frame: VideoFrame, grain: Grain) -> list[Tensor]:
        """Grain of strength 1 for each colour plane, of the plane's size."""
        layout, rendered = frame.layout, []
        for number, plane in enumerate(grain.planes):
            height, width = layout.plane_size(number, grain.size_yx[1], grain.size_yx[0])
            white = NoiseField(self._options.seed, frame.ordinal, number).window(1, 0, 0, height, width)[0]
            rendered.append(plane.render(white, layout.plane_size(number, frame.width, frame.height)))
        if layout.family != "rgb":
            return rendered
        return list(torch.einsum("ij,jyx->iyx", grain.mixing, torch.stack(rendered)))


@dataclass(frozen=True)
class PreparedGrain(Prepared[GrainOptions]):
    """`AddGrain` with its options."""

    @property
    def capabilities(self) -> Capabilities:
        """Frames stand for themselves; grain is invented."""
        return Capabilities("generative", keeps_size=True)

    @property
    def learns_from(self) -> str | None:
        """`Degrain`, unless the grain is described."""
        return None if self.options.sigma_codes else "degrain"

    def open(self, geometry: Geometry) -> AddGrain:
        """See `Prepared`."""
        return AddGrain(geometry, self.options)


def prepare_grain(geometry: Geometry, options: GrainOptions, device: str) -> PreparedGrain:
    """See `vsr.methods.method.Method`."""
    return PreparedGrain(options, device)
