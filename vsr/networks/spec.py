"""One row of the table of networks, written beside the class that it is about."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import torch

from vsr.networks.base import Colour, Family, Found, Framework, NetworkSpec, Shapes, Upscaler

__all__ = ["network_spec"]


def _context_of(build: Callable[[int], Upscaler]) -> Callable[[int], int | None]:
    """Receptive field by scale, read off a module without weights."""

    def context_px(scale: int) -> int | None:
        with torch.device("meta"):
            return build(scale).context_px

    return context_px


def network_spec(
    name: str,
    title: str,
    framework: Framework,
    *,
    scales: tuple[int, ...],
    colour: Colour,
    build: Callable[[int], Upscaler],
    parameters: int | tuple[int, ...],
    recognise: Callable[[Shapes], Found | None],
    value_range: int = 1,
    family: Family = "frame",
    is_generative: bool = False,
) -> NetworkSpec:
    """A row; ``parameters`` is one number for all scales or one for each."""
    counts = (parameters,) * len(scales) if isinstance(parameters, int) else parameters
    return NetworkSpec(
        name=name,
        title=title,
        framework=framework,
        scales=scales,
        colour=colour,
        build=build,
        num_parameters=MappingProxyType(dict(zip(scales, counts, strict=True))),
        context_px=_context_of(build),
        recognise=recognise,
        value_range=value_range,
        family=family,
        is_generative=is_generative,
    )
