"""Restoration by a network that is given noise: one of the many images that would look the same small.

The noise of a frame follows from the seed and the frame's number (`vsr.randomness`), so the same command makes the same
video, however it is cut into tiles and segments; another seed makes another one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.methods.method import Adaptation, Capabilities, Geometry
from vsr.methods.network.frame import PerFrame, PerFrameOptions, PreparedPerFrame, prepare_network
from vsr.methods.network.model import MAX_PASSES, Model, ModelPart, open_part
from vsr.networks import Network
from vsr.networks.base import SamplingUpscaler
from vsr.randomness import NoiseField

__all__ = ["PreparedSampling", "Sampling", "SamplingOptions", "prepare_sampling_network", "stack_noise"]

_MOST_SEED = 2**32 - 1
_MOST_SAMPLES = 64  # they are made side by side: memory grows with them
_SPREAD_GAIN = 8  # white is a standard deviation of an eighth of the range


@dataclass(frozen=True)
class SamplingOptions(PerFrameOptions):
    """Settings of `Sampling`."""

    seed: int = 0
    """Chooses the noise that networks which sample are given; the same seed makes the same image again."""
    temperature: float = 1.0
    """The noise is multiplied by it; 0: the most likely image."""
    samples: int = 1
    """Images that are made of each frame with other noise; the result is their mean."""
    show: Literal["image", "spread"] = "image"
    """image: the mean of the samples; spread: how much they differ at each pixel, as grey, 8 times the deviation."""
    steps: int | None = None
    """Steps in which networks of diffusion make an image; None: the network's own number, 50 for `sr3`."""
    eta: float | None = None
    """Share of fresh noise in each of these steps: 0 is DDIM, 1 DDPM; None: the network's own, 0 for `sr3`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.seed <= _MOST_SEED:
            raise UsageError(f"seed is {self.seed}; allowed are 0 to {_MOST_SEED}")
        if not 0.0 <= self.temperature <= 4.0:
            raise UsageError(f"temperature is {self.temperature}; allowed are 0 (no noise) to 4")
        if not 1 <= self.samples <= _MOST_SAMPLES:
            raise UsageError(f"samples is {self.samples}; allowed are 1 to {_MOST_SAMPLES}")
        if self.show not in ("image", "spread"):
            raise UsageError(f"show is {self.show!r}; allowed are image and spread")
        if self.show == "spread" and self.samples < 2:
            raise UsageError(f"show=spread compares samples; samples is {self.samples}, needed are 2 or more")
        if self.show == "spread" and self.consistent:
            raise UsageError("show=spread writes no image that could agree with the input; leave consistent away")
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"steps is {self.steps}; allowed are 1 to the network's levels of noise")
        if self.eta is not None and not 0.0 <= self.eta <= 1.0:
            raise UsageError(f"eta is {self.eta}; allowed are 0 (DDIM) to 1 (DDPM)")


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

    def _network(self, part: ModelPart, adaptation: Adaptation) -> Network:
        """The network of ``part``, in the steps that were asked for."""
        return _in_steps(super()._network(part, adaptation), self._sampling)

    def _bands(self, batch: Sequence[VideoFrame], images: Tensor, adaptation: Adaptation) -> Iterator[Tensor]:
        """The mean of the samples, or their spread."""
        options, ordinals = self._sampling, [frame.ordinal for frame in batch]

        def sampled(sample: int) -> Iterator[Tensor]:
            def stacked(given: Tensor, step: int) -> Tensor:
                channels = self._noise_channels[self._passes[step]]
                return stack_noise(given, ordinals, channels, options, sample=sample, step=step)

            return self._enlarge(images, adaptation, stacked)

        for bands in zip(*(sampled(number) for number in range(options.samples)), strict=True):
            yield _spread(bands) if options.show == "spread" else sum(bands[1:], bands[0]) / options.samples


def _spread(bands: Sequence[Tensor]) -> Tensor:
    """Of samples ``(B, 3, h, W)``: `_SPREAD_GAIN` times their standard deviation, all colours together, as grey."""
    variance = torch.stack(list(bands)).var(0).mean(1, keepdim=True)
    return (_SPREAD_GAIN * variance.sqrt()).expand_as(bands[0])


def _in_steps(network: Network, options: SamplingOptions) -> Network:
    """``network`` with the ``steps`` and ``eta`` of ``options``; weights are shared, the given one stays as it is.

    Raises `UsageError` for a network that takes no steps, or not as many.
    """
    if options.steps is None and options.eta is None:
        return network
    name = network.source or network.name
    if not isinstance(network.module, SamplingUpscaler) or not network.module.levels:
        raise UsageError(f"{name} makes its image at once; steps and eta are for networks of diffusion, such as sr3")
    module = copy.copy(network.module)
    if options.steps is not None:
        if options.steps > module.levels:
            raise UsageError(
                f"steps is {options.steps}; {name} has {module.levels} levels of noise, and as many at most"
            )
        module.steps = options.steps
    if options.eta and not module.takes_eta:
        raise UsageError(f"eta is {options.eta:g}; {name} takes no fresh noise in its steps: 0")
    module.eta = module.eta if options.eta is None else options.eta
    return replace(network, module=module)


@dataclass(frozen=True)
class PreparedSampling(PreparedPerFrame):
    """Networks that see one frame, and noise."""

    options: SamplingOptions

    @property
    def capabilities(self) -> Capabilities:
        """As other networks; a map of spread is not compared with the input."""
        return replace(super().capabilities, measures_agreement=self.options.show == "spread")

    def plan_rows(self) -> list[tuple[str, str]]:
        """Passes, networks, and where the noise comes from."""
        options = self.options
        kind = f"spread, {_SPREAD_GAIN} times," if options.show == "spread" else "mean"
        mean = f", {kind} of {options.samples} samples" if options.samples > 1 else ""
        rows = [("noise", f"seed {options.seed}, temperature {options.temperature:g}{mean}")]
        for part in self.model.parts:
            module = _in_steps(open_part(self.model, part), options).module
            if isinstance(module, SamplingUpscaler) and module.levels:
                rows.append(("steps", f"x{part.scale}: {module.steps} of {module.levels}, eta {module.eta:g}"))
        return [*super().plan_rows(), *rows]

    def open(self, geometry: Geometry) -> Sampling:
        """See `Prepared`."""
        return Sampling(geometry, self.options, self.torch_device, self.model)


def prepare_sampling_network(name: str, geometry: Geometry, options: SamplingOptions, device: str) -> PreparedSampling:
    """As `prepare_network`. Raises `UsageError` for steps that the network does not take."""
    prepared = prepare_network(name, geometry, options, device)
    for part in prepared.model.parts:
        _in_steps(open_part(prepared.model, part), options)
        if options.show == "spread" and part.colour != "RGB":
            raise UsageError(f"{name} makes luma alone; show=spread is for networks that make RGB")
    return PreparedSampling(options, device, prepared.model)
