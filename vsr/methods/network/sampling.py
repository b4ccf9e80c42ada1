"""Restoration by a network that is given noise: one of the many images that would look the same small.

The noise of a frame follows from the seed and the frame's number (`vsr.randomness`), so the same command makes the same
video, however it is cut into tiles and segments; another seed makes another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.methods.method import Adaptation, Geometry
from vsr.methods.network.frame import PerFrame, PerFrameOptions, PreparedPerFrame, prepare_network
from vsr.methods.network.model import MAX_PASSES, Model, open_part
from vsr.randomness import NoiseField

__all__ = ["PreparedSampling", "Sampling", "SamplingOptions", "prepare_sampling_network", "stack_noise"]

_MOST_SEED = 2**32 - 1
_MOST_SAMPLES = 64  # they are made side by side: memory grows with them


@dataclass(frozen=True)
class SamplingOptions(PerFrameOptions):
    """Settings of `Sampling`."""

    seed: int = 0
    """Chooses the noise that networks which sample are given; the same seed makes the same image again."""
    temperature: float = 1.0
    """The noise is multiplied by it; 0: the most likely image."""
    samples: int = 1
    """Images that are made of each frame with other noise; the result is their mean."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.seed <= _MOST_SEED:
            raise UsageError(f"seed is {self.seed}; allowed are 0 to {_MOST_SEED}")
        if not 0.0 <= self.temperature <= 4.0:
            raise UsageError(f"temperature is {self.temperature}; allowed are 0 (no noise) to 4")
        if not 1 <= self.samples <= _MOST_SAMPLES:
            raise UsageError(f"samples is {self.samples}; allowed are 1 to {_MOST_SAMPLES}")


def stack_noise(
    images: Tensor,
    ordinals: Sequence[int],
    channels: int,
    options: SamplingOptions,
    *,
    sample: int = 0,
    step: int = 0,
) -> Tensor:
    """``images`` ``(B, C, H, W)`` with noise behind their channels, ``(B, C + channels, H, W)``.

    ``ordinals`` are those of the first of them; further images have the noise of the last. Each ``sample``, and each
    ``step`` (pass) towards it, has noise of its own.
    """
    if not channels:
        return images
    height, width = (int(side) for side in images.shape[-2:])
    fields = [NoiseField(options.seed, ordinal, sample * MAX_PASSES + step) for ordinal in ordinals]
    noise = [field.window(channels, 0, 0, height, width, device=images.device) for field in fields]
    filled = torch.stack(noise + noise[-1:] * (len(images) - len(noise)))
    return torch.cat([images, filled * options.temperature], 1)


class Sampling(PerFrame):
    """Enlarge each frame by networks that are given noise."""

    def __init__(self, geometry: Geometry, options: SamplingOptions, device: torch.device, model: Model) -> None:
        super().__init__(geometry, options, device, model)
        self._sampling = options
        self._noise_channels = {part.scale: open_part(model, part).noise_channels for part in model.parts}

    def _bands(self, batch: Sequence[VideoFrame], images: Tensor, adaptation: Adaptation) -> Iterator[Tensor]:
        """The mean of the samples."""
        options, ordinals = self._sampling, [frame.ordinal for frame in batch]

        def sampled(sample: int) -> Iterator[Tensor]:
            def stacked(given: Tensor, step: int) -> Tensor:
                channels = self._noise_channels[self._passes[step]]
                return stack_noise(given, ordinals, channels, options, sample=sample, step=step)

            return self._enlarge(images, adaptation, stacked)

        for bands in zip(*(sampled(number) for number in range(options.samples)), strict=True):
            yield sum(bands[1:], bands[0]) / options.samples


@dataclass(frozen=True)
class PreparedSampling(PreparedPerFrame):
    """Networks that see one frame, and noise."""

    options: SamplingOptions

    def plan_rows(self) -> list[tuple[str, str]]:
        """Passes, networks, and where the noise comes from."""
        options = self.options
        mean = f", mean of {options.samples} samples" if options.samples > 1 else ""
        return [*super().plan_rows(), ("noise", f"seed {options.seed}, temperature {options.temperature:g}{mean}")]

    def open(self, geometry: Geometry) -> Sampling:
        """See `Prepared`."""
        return Sampling(geometry, self.options, self.torch_device, self.model)


def prepare_sampling_network(name: str, geometry: Geometry, options: SamplingOptions, device: str) -> PreparedSampling:
    """As `prepare_network`."""
    prepared = prepare_network(name, geometry, options, device)
    return PreparedSampling(options, device, prepared.model)
