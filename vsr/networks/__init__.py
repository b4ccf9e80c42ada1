"""Deep networks that enlarge images: architectures from the papers, and loading of weights."""

from __future__ import annotations

from vsr.networks.base import (
    AnyScaleUpscaler,
    Colour,
    ConditionedUpscaler,
    Family,
    Found,
    Framework,
    Network,
    NetworkSpec,
    RecurrentUpscaler,
    RescalingUpscaler,
    SamplingUpscaler,
    SequenceUpscaler,
    Shapes,
    Upscaler,
    WindowUpscaler,
)
from vsr.networks.loading import available_scales, load_network, network_family, with_weights_for
from vsr.networks.source import Source
from vsr.networks.table import NETWORKS

__all__ = [
    "NETWORKS",
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
    "Source",
    "Upscaler",
    "WindowUpscaler",
    "available_scales",
    "load_network",
    "network_family",
    "with_weights_for",
]
