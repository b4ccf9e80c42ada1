"""What a network is to the rest of vsr: a module with weights, and the facts that running it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vsr.errors import ModelError
from vsr.networks.grids import Grid
from vsr.networks.mixture import Mixture

__all__ = [
    "AnyScaleUpscaler",
    "Colour",
    "ConditionedUpscaler",
    "Family",
    "Found",
    "Framework",
    "Network",
    "NetworkSpec",
    "RecurrentUpscaler",
    "RescalingUpscaler",
    "SamplingUpscaler",
    "SequenceUpscaler",
    "Shapes",
    "Upscaler",
    "WindowUpscaler",
]

Framework = Literal["pre-upsampling", "post-upsampling", "progressive", "iterative"]
"""Where a network enlarges: before it, at its end, step by step, or up and down again and again."""

Colour = Literal["Y", "RGB"]
"""What a network takes and gives: BT.601 luma (video range, as MATLAB's ``rgb2ycbcr``) or RGB."""

Family = Literal[
    "frame", "any-scale", "window", "recurrent", "sequence", "conditioned", "sampling", "rescaling", "inverse-tone"
]
"""What a network is given besides one frame: nothing; any real magnification; neighbouring frames; its own memory; all
frames of a sequence; what is known of the source; noise. A rescaling network also makes the small image that it
enlarges; one of inverse tone makes HDR of SDR."""

Shapes = Mapping[str, tuple[int, ...]]
"""Names of a state dict with their shapes: all that recognition looks at."""


class Upscaler(nn.Module):
    """Base of all architectures: a module that knows how it wants to be run.

    ``forward`` takes ``(B, C, H, W)`` in float32 (or float64), about 0…1, and gives ``(B, C, scale·H, scale·W)`` of the
    same type. It casts to the type of its own weights inside, so after ``module.half()`` or ``module.bfloat16()`` the
    convolutions run in that type, while interpolation ahead of them, mean shifts and the sum of a residual with
    its base stay in float32. Subclasses set the attributes in their ``__init__``.
    """

    family: ClassVar[Family] = "frame"
    scale: int
    context_px: int | None
    """Input pixels away from its own place that an output pixel still depends on; None: the whole image."""
    in_channels: int | None = None
    """Channels that it takes; None: those of its colour. What else a family gives is stacked on them, at their size."""
    out_channels: int | None = None
    """Channels that it gives; None: those of its colour."""
    noise_channels: int = 0
    """Channels of standard normal noise that it takes behind those of its colour, at the size of its input."""
    multiple: int = 1
    min_size: int = 1
    takes_planes: ClassVar[bool] = False
    """Whether it takes channels apart before anything else, so that they had better lie one behind the other."""
    radius_frames: int = 0
    """Frames on each side of the enlarged one that it is given at once."""
    out_colour: Colour | None = None
    """Colour of what it gives; None: as of what it takes."""
    offset_px: float = 0.0
    """How far right of and below the centres of their blocks the samples it was trained on lie, in input pixels."""

    @property
    def module_scale(self) -> int:
        """How many times larger what ``forward`` gives is than what it takes, in pixels."""
        return self.scale

    def all_outputs(self, images: Tensor) -> list[Tensor]:
        """What ``forward`` gives, last, behind the results that the network has on the way, where it has some.

        Training with ``supervision`` compares each with the ground truth.
        """
        return [self(images)]

    @property
    def has_outputs_on_the_way(self) -> bool:
        """Whether `all_outputs` gives more than one."""
        return type(self).all_outputs is not Upscaler.all_outputs

    def finish_loading(self) -> None:
        """Called once after weights are loaded: take over what follows from their values."""


class AnyScaleUpscaler(Upscaler):
    """Base of networks that enlarge to any real magnification, along each axis its own.

    They find features at the small size, and make pixels anywhere of the features around. ``forward`` puts both
    together for the whole ``scale`` that it was built for. Set ``feature_channels``, ``features_context_px`` and
    ``margin_px``.
    """

    family: ClassVar[Family] = "any-scale"
    feature_channels: int
    features_context_px: int | None
    """As ``context_px``, of the features."""
    margin_px: int
    """Rows and columns of features around its own that a pixel is made of."""

    def features(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` in 0…1 → ``(B, feature_channels, H, W)`` in the type of the weights."""
        raise NotImplementedError

    def render(self, features: Tensor, grid: Grid) -> Tensor:
        """``(B, feature_channels, h, W)`` → ``(B, C, rows, columns)`` float32: the pixels of ``grid``.

        ``features`` hold ``margin_px`` rows around those that any pixel lies in, unless the image ends there.
        """
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` in 0…1 → ``(B, C, scale·H, scale·W)``."""
        height, width = (int(side) for side in images.shape[-2:])
        grid = Grid.whole((height, width), (self.scale * height, self.scale * width))
        return self.render(self.features(images), grid).to(images.dtype)


class SamplingUpscaler(Upscaler):
    """Base of networks that make one of many images that would look the same small: noise chooses which.

    ``forward`` takes the image with ``noise_channels`` of standard normal noise stacked behind its channels; noise of
    0 gives the most likely image. Set ``noise_channels``. Noise of other sizes is made of these inside, by
    `pixel_shuffle` and its inverse.

    A network that makes its image in many steps (diffusion) sets ``levels``, and reads ``steps`` and ``eta`` in
    ``forward``.
    """

    family: ClassVar[Family] = "sampling"
    levels: int = 0
    """Most steps in which it can make an image; 0: it makes it at once."""
    steps: int
    """Steps in which it makes an image, 1 to ``levels``."""
    takes_eta: ClassVar[bool] = True
    """Whether ``eta`` may be other than 0."""
    eta: float
    """Share of fresh noise in each step, 0 to 1."""


class WindowUpscaler(Upscaler):
    """Base of networks that see neighbouring frames and enlarge the one in the middle.

    ``forward`` takes ``2·radius_frames + 1`` frames stacked on the channels, oldest first: ``(B, (2r+1)·C, H, W)``. Set
    ``radius_frames`` and ``in_channels``.

    Where ``is_aligned`` is set, frames are luma, enlarged by cubics and moved onto the one in the middle
    (`vsr.registration.register_previous`) ahead; the pixels of each lie as ``pixel_unshuffle`` lays them:
    ``(B, (2r+1)·scale², H, W)``.
    """

    family: ClassVar[Family] = "window"
    is_aligned: ClassVar[bool] = False


class RecurrentUpscaler(Upscaler):
    """Base of networks that go through a video frame by frame and remember.

    ``forward`` is one step at the small size. It gives, stacked on the channels, the result for a frame, whose pixels
    lie as ``pixel_unshuffle`` lays them (scale² channels a colour), and its memory. It takes ``2·radius_frames + 1``
    frames with that one in the middle, oldest first, and then all that the step before gave; before the first step that
    is 0. Set ``radius_frames``, ``in_channels`` and ``out_channels``.

    Where ``is_aligned`` is set, all that the step before gave is moved along with what the frames show ahead of each
    step (`vsr.registration.register_previous`), and between frames and memory there are two more channels: the luma of
    the frame before, moved as well, and the confidence in that; before the first step the frame's own luma, and 0.
    """

    family: ClassVar[Family] = "recurrent"
    is_aligned: ClassVar[bool] = False
    warm_up_frames: ClassVar[int] = 12
    """Steps after which it hardly matters when memory began; what comes of them is thrown away (ADR 122)."""

    @property
    def module_scale(self) -> int:
        """One: its pixels are stacked on channels."""
        return 1


class SequenceUpscaler(Upscaler):
    """Base of networks that are given a sequence at once and enlarge all of it, as those that go through it both ways.

    ``forward`` takes any number of consecutive frames stacked on the channels, oldest first, ``(B, T·C, H, W)``, and
    gives as many results, ``(B, T·C, scale·H, scale·W)``. One frame alone is a sequence: networks are tried on one.
    """

    family: ClassVar[Family] = "sequence"


class RescalingUpscaler(Upscaler):
    """Base of networks that enlarge what they downscaled themselves.

    ``forward`` enlarges, with noise behind the image's channels where ``noise_channels`` says so. Set
    ``downscale_context_px``.
    """

    family: ClassVar[Family] = "rescaling"
    downscale_context_px: int | None
    """Small pixels away from its own place that a small pixel still depends on; None: the whole image."""
    downscale_multiple: int = 1
    downscale_min_size: int = 1
    """What sides of the small image are multiples of, and no smaller than, for `downscale`."""

    def downscale(self, images: Tensor) -> Tensor:
        """``(B, C, scale·H, scale·W)`` in about 0…1 → ``(B, C, H, W)``, unrounded, types as ``forward``."""
        raise NotImplementedError


class ConditionedUpscaler(Upscaler):
    """Base of networks conditioned on the degradation of the image: blurred, downscaled, then noisy.

    Conditions are numbers, the same for the whole image: `conditions` computes them, `stacked` appends them to
    the channels of the image. Subclasses set ``in_channels``: those of the colour and one for each number.
    """

    family: ClassVar[Family] = "conditioned"
    most_blur_px: float
    """Standard deviation of the strongest blur that it knows, in pixels of the image that it is given."""
    most_noise_codes: float
    """Standard deviation of the strongest noise that it knows, in codes of 255; 0: it takes images without."""
    takes_kernels: ClassVar[bool] = False
    """Whether it restores from any kernel (`set_kernel`), not from Gaussians alone."""
    finds_kernels: ClassVar[bool] = False
    """Whether it finds the kernel of images itself (`find_kernel`), which it also does until one is set."""

    def set_kernel(self, kernel: Tensor) -> None:
        """From now on assume ``kernel`` ``(n, n)``, one of `vsr.observation.block_kernels`, not bicubic shrinking.

        Conditions then say nothing of the blur: 0. Networks whose ``takes_kernels`` is false have no such method.
        """
        raise NotImplementedError

    def find_kernel(self, images: Tensor) -> Tensor:
        """The kernel ``(n, n)`` of `vsr.observation.block_kernels` behind all of ``images`` ``(B, C, H, W)`` in 0…1.

        Networks whose ``finds_kernels`` is false have no such method.
        """
        raise NotImplementedError

    def conditions(self, blur_px: float, noise_codes: float) -> Tensor:
        """The numbers, ``(K,)`` float32 on the CPU, for a Gaussian blur ahead of bicubic shrinking and white noise.

        Both are standard deviations, in pixels of the image that it is given and in codes of 255, no larger than
        it knows.
        """
        raise NotImplementedError

    def stacked(self, images: Tensor, blur_px: float, noise_codes: float) -> Tensor:
        """What ``forward`` takes: ``images`` ``(B, C, H, W)`` and `conditions` as constant channels behind them."""
        maps = self.conditions(blur_px, noise_codes).to(images.device, images.dtype)
        count, _, height, width = images.shape
        return torch.cat([images, maps[:, None, None].expand(count, -1, height, width)], 1)


@dataclass(frozen=True)
class Found:
    """What an architecture recognises in the names and shapes of a state dict."""

    name: str
    """The row of `NETWORKS` that comes closest; other widths and depths go under the name of their family."""
    scales: tuple[int, ...]
    """Magnifications that the weights serve; empty if the weights do not tell (then the user or the file name must)."""
    build: Callable[[int], Upscaler]
    """Makes the module that fits these weights, for one scale."""
    rename: Callable[[str], str] = str
    """From a name in the file to the name in the module, where other names are usual as well."""


@dataclass(frozen=True)
class NetworkSpec:
    """One row of `NETWORKS`: an architecture as published."""

    name: str
    """What the user calls it."""
    title: str
    """Authors' name, year and venue, in one line."""
    framework: Framework
    scales: tuple[int, ...]
    """Magnifications that it is defined for."""
    colour: Colour
    build: Callable[[int], Upscaler]
    """Makes one, with random weights, for a scale. Its state-dict names are those of the published files."""
    num_parameters: Mapping[int, int]
    """Learnt numbers by scale, as ``sum(p.numel() for p in module.parameters())`` counts them."""
    context_px: Callable[[int], int | None]
    """By scale: how many input pixels away from its own place an output pixel still depends on; None: all."""
    recognise: Callable[[Shapes], Found | None]
    """What of this architecture a state dict holds, also in other widths and depths than the published; None: nothing.

    It may raise KeyError or IndexError about a name or a dimension that is not there; that too means nothing.
    """
    value_range: int = 1
    """Largest value that it works with inside, 1 or 255; callers give and get 0…1 all the same."""
    is_generative: bool = False
    """Whether it invents detail (adversarial or sampled); weights may be, where the architecture is not."""
    family: Family = "frame"
    """As the module's."""


@dataclass(frozen=True)
class Network:
    """An architecture with weights, ready to run.

    ``module`` maps ``(B, C, H, W)`` in about 0…1 (C = 1 for Y with code values over 255, 3 for RGB) to
    ``(B, C, scale·H, scale·W)``, for every H and W of at least ``min_size`` that are multiples of ``multiple``; other
    families than ``frame`` stack more on the channels, as the bases of their modules say. Interpolation ahead of the
    network, mean shifts and other ranges are inside it. Values are not clipped.

    ``module`` always takes and gives float32, on its own device. To run it in half precision call ``module.to(dtype)``
    (or ``module.to(dtype=…, memory_format=torch.channels_last)``): it casts inside to the type of its weights, and
    keeps in float32 what would lose by it (see `Upscaler`).
    """

    name: str
    """The row of `NETWORKS`, or what spandrel calls its architecture."""
    module: nn.Module
    """In evaluation mode, float32, on the CPU, its parameters without gradients."""
    scale: int
    colour: Colour
    context_px: int | None
    multiple: int = 1
    min_size: int = 1
    is_generative: bool = False
    num_parameters: int = 0
    digest: str = ""
    """SHA-256 over names, shapes and values of the weights, in order of the names."""
    source: str = ""
    """Where the weights came from, for people."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the file says of itself."""
    mixture: Mixture | None = None
    """All sets of weights of which ``module`` has the usual mixture; None: there is one set."""
    family: Family = "frame"
    in_channels: int = 0
    """Channels that ``module`` takes; 0: those of its colour."""
    out_channels: int = 0
    """Channels that ``module`` gives; 0: those of its colour."""
    noise_channels: int = 0
    """Channels of noise among those that ``module`` takes: the last."""
    module_scale: int = 0
    """How many times larger what ``module`` gives is, in pixels; 0: ``scale``. Recurrent networks stack pixels: 1."""
    out_colour: Colour | None = None
    """Colour of what it gives; None: as of what it takes."""

    def __post_init__(self) -> None:
        if self.scale < 1 or self.multiple < 1 or self.min_size < 1:
            raise ModelError(f"{self.source or self.name}: scale {self.scale} makes no sense")
        colours = 3 if self.colour == "RGB" else 1
        object.__setattr__(self, "in_channels", self.in_channels or colours + self.noise_channels)
        object.__setattr__(self, "out_channels", self.out_channels or (3 if self.gives == "RGB" else 1))
        object.__setattr__(self, "module_scale", self.module_scale or self.scale)

    @property
    def gives(self) -> Colour:
        """Colour of its result."""
        return self.out_colour or self.colour

    @property
    def pixel_channels(self) -> int:
        """Channels of what ``module`` gives that are pixels of the result: all but the memory of recurrent networks."""
        return (self.scale // self.module_scale) ** 2 * (3 if self.gives == "RGB" else 1)

    def __call__(self, images_BCHW: Tensor) -> Tensor:
        """Run it; see the class."""
        enlarged: Tensor = self.module(images_BCHW)
        return enlarged
