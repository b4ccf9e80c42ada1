"""What computes networks: `BACKENDS`, a row for each library, one module each.

A row names its package; it is loaded when a network is compiled, so that vsr works without it.
"""

from __future__ import annotations

from collections.abc import Mapping

from vsr.errors import MachineError, UsageError
from vsr.inference.backends.base import (
    PYTORCH,
    Backend,
    Executable,
    PrecisionName,
    Runtime,
)
from vsr.inference.backends.onnxruntime import ONNXRUNTIME
from vsr.inference.backends.openvino import OPENVINO
from vsr.inference.backends.torch import TORCH
from vsr.tables import table_of

__all__ = [
    "BACKENDS",
    "OPENVINO",
    "PYTORCH",
    "TORCH",
    "Backend",
    "Executable",
    "PrecisionName",
    "Runtime",
    "find_backend",
    "open_backend",
]

BACKENDS: Mapping[str, Backend] = table_of("backends", (TORCH, OPENVINO, ONNXRUNTIME))
"""By name."""


def find_backend(name: str) -> Backend:
    """The row called ``name``. Raises `UsageError` where there is none."""
    if name not in BACKENDS:
        raise UsageError(f"backend is {name}; choose from auto, {', '.join(BACKENDS)}")
    return BACKENDS[name]


def open_backend(runtime: Runtime) -> Backend:
    """The backend that ``runtime`` names. Raises `MachineError` where it is missing or has another version here."""
    backend = BACKENDS[runtime.name]
    if backend.runtime != runtime:
        raise MachineError(
            f"backend={runtime.name} has version {backend.runtime.version} here, the run was planned with "
            f"{runtime.version}; install the same everywhere, or start again"
        )
    return backend
