"""From what the user typed to a method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch

from vsr.errors import UsageError
from vsr.evaluation.base import Method
from vsr.evaluation.interpolation import interpolation_method
from vsr.evaluation.networks import network_method
from vsr.evaluation.restoration import restoration_method
from vsr.methods import METHODS, find_method
from vsr.methods.network.model import plan_passes
from vsr.networks import Family, Network, available_scales, load_network, network_family
from vsr.observation.resample import KERNELS

__all__ = ["open_method"]

_ONE_FRAME: frozenset[Family] = frozenset({"frame", "any-scale", "conditioned", "sampling", "rescaling"})
"""Families whose networks enlarge single images."""


def open_method(requested: str | Network, scale: int, device: torch.device, settings: Mapping[str, Any]) -> Method:
    """A kernel, a restorer, or a network (by name, by file, or itself), for one scale.

    Raises `UsageError` for a name that nothing has, `ModelError` for weights that cannot be loaded or that lack the
    scale.
    """
    if isinstance(requested, Network):
        if requested.scale != scale:
            raise UsageError(f"{requested.source or requested.name} enlarges x{requested.scale}, not x{scale}")
        if requested.family not in _ONE_FRAME:
            raise UsageError(
                f"{requested.source or requested.name} is given more than one frame; give its weights by file"
            )
        return network_method(requested.source or requested.name, requested, device, settings, scale)
    for kernel in KERNELS:
        if requested == kernel:
            return interpolation_method(kernel, scale, device)
    if requested in METHODS:
        return restoration_method(requested, scale, device, settings)
    find_method(requested)  # refuses what is neither a name nor a file, and tells the nearest
    network = load_network(requested, _scale_of_a_pass(requested, scale))
    if network.family == "inverse-tone":
        raise UsageError(f"{requested} makes HDR of SDR, and there is no HDR to measure it against")
    if network.family in _ONE_FRAME:
        return network_method(requested, network, device, settings, scale)
    method = restoration_method(requested, scale, device, {"precision": "float32", **settings})
    return replace(method, description=f"{network.name}, {network.num_parameters:,} parameters, {network.colour}")


def _scale_of_a_pass(requested: str, scale: int) -> int:
    """``scale``, or that of a pair of networks which reaches it in several passes, as `vsr downscale` runs it."""
    if scale in available_scales(requested) or network_family(requested) != "rescaling":
        return scale
    passes = plan_passes(Fraction(scale), available_scales(requested))
    return passes[0] if math.prod(passes) == scale and len(set(passes)) == 1 else scale
