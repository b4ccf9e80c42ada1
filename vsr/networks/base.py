"""What a network is to the rest of vsr: a module with weights, and the facts that running it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from vsr.errors import ModelError

__all__ = ["Colour", "Framework", "Network", "NetworkSpec"]

Framework = Literal["pre-upsampling", "post-upsampling", "progressive", "iterative"]
"""Where a network enlarges: before it, at its end, step by step, or up and down again and again."""

Colour = Literal["Y", "RGB"]
"""What a network takes and gives: BT.601 luma (video range, as MATLAB's ``rgb2ycbcr``) or RGB."""


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
    build: Callable[[int], nn.Module]
    """Makes one, with random weights, for a scale. Its state-dict names are those of the published files."""
    num_parameters: Mapping[int, int]
    """Learnt numbers by scale, as ``sum(p.numel() for p in module.parameters())`` counts them."""
    context_px: Callable[[int], int | None]
    """By scale: how many input pixels away from its own place an output pixel still depends on; None: all."""
    is_generative: bool = False
    """Whether it invents detail (adversarial or sampled)."""


@dataclass(frozen=True)
class Network:
    """An architecture with weights, ready to run.

    ``module`` maps ``(B, C, H, W)`` in about 0…1 (C = 1 for Y with code values over 255, 3 for RGB) to ``(B, C, scale·H,
    scale·W)``, for every H and W of at least ``min_size`` that are multiples of ``multiple``. Interpolation ahead of
    the network, mean shifts and other ranges are inside it.
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

    def __post_init__(self) -> None:
        if self.scale < 1 or self.multiple < 1 or self.min_size < 1:
            raise ModelError(f"{self.source or self.name}: scale {self.scale} makes no sense")

    def __call__(self, pictures_BCHW: Tensor) -> Tensor:
        """Run it; see the class."""
        enlarged: Tensor = self.module(pictures_BCHW)
        return enlarged
