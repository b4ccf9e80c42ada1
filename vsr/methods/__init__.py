"""The methods that vsr offers: frames of one shot in, better frames out.

To add one: write its restorer, its options and its `Prepared` in a file of this folder, and give it a row in `METHODS`;
the contract suite in ``tests/contracts/test_methods.py`` then covers it. Networks need no row: any that `vsr.networks`
can load is a method by its name or file.
"""

from __future__ import annotations

from vsr.methods.method import (
    NOT_ADAPTED,
    Adaptation,
    Capabilities,
    Evidence,
    Geometry,
    Method,
    Prepared,
    Rescaler,
    Restorer,
    restore_shot,
)
from vsr.methods.network.frame import PerFrameOptions
from vsr.methods.network.rescaling import RescalingOptions
from vsr.methods.network.sampling import SamplingOptions
from vsr.methods.pair import Pair, find_pair
from vsr.methods.registry import (
    ALONE,
    METHODS,
    OPTION_TYPES,
    PASSES,
    absolute_method,
    find_method,
    find_pass,
    is_network,
)

__all__ = [
    "ALONE",
    "METHODS",
    "NOT_ADAPTED",
    "OPTION_TYPES",
    "PASSES",
    "Adaptation",
    "Capabilities",
    "Evidence",
    "Geometry",
    "Method",
    "Pair",
    "PerFrameOptions",
    "Prepared",
    "Rescaler",
    "RescalingOptions",
    "Restorer",
    "SamplingOptions",
    "absolute_method",
    "find_method",
    "find_pair",
    "find_pass",
    "is_network",
    "restore_shot",
]
