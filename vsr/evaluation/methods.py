"""From what the user typed to a method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vsr.errors import ModelError, UsageError, nearest
from vsr.evaluation.base import Method
from vsr.evaluation.interpolation import interpolation_method
from vsr.evaluation.networks import network_method
from vsr.evaluation.restoration import restoration_method
from vsr.networks import NETWORKS, Network, load_network
from vsr.networks.locating import find_weights, is_path
from vsr.observation.resample import KERNELS
from vsr.restorers import RESTORERS

__all__ = ["open_method"]


def open_method(wanted: str | Network, scale: int, device: torch.device, settings: Mapping[str, Any]) -> Method:
    """A kernel, a restorer, or a network (by name, by file, or itself), for one scale.

    Raises `UsageError` for a name that nothing has, `ModelError` for weights that cannot be loaded or that lack the
    scale.
    """
    if isinstance(wanted, Network):
        if wanted.scale != scale:
            raise UsageError(f"{wanted.source or wanted.name} enlarges x{wanted.scale}, not x{scale}")
        return network_method(wanted.source or wanted.name, wanted, device)
    for kernel in KERNELS:
        if wanted == kernel:
            return interpolation_method(kernel, scale, device)
    if wanted in RESTORERS:
        return restoration_method(wanted, scale, device, settings)
    _refuse_unknown(wanted)
    return network_method(wanted, load_network(wanted, scale), device)


def _refuse_unknown(text: str) -> None:
    """Raise `UsageError` for what is neither a file, nor weights by name, nor the name of an architecture."""
    if is_path(text) or Path(text).exists() or text in NETWORKS or "@" in text:
        return
    try:
        find_weights(text)
    except ModelError:
        known = [*RESTORERS, *NETWORKS]
        raise UsageError(
            f"no method {text!r}; known: {', '.join(known)}, and files of weights{nearest(text, known)}"
        ) from None
