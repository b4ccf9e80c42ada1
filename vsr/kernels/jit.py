"""How loops are compiled: strict arithmetic, no threads of their own, without Python's lock, kept for the next run.

Compiled loops are kept in ``$XDG_CACHE_HOME/vsr/kernels`` (``NUMBA_CACHE_DIR`` overrides it), in a folder for each
state of the sources here, as numba looks at the file of a loop and not at those of loops within, and for each kind of
processor: machines that share a home write numba's index at the same time, and one could run what was compiled for the
other. Where nothing can be written, or the disk is all but full, every process compiles again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.registry import cpu_target
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Array", "array", "jit"]

Array = NDArray[np.float32]
_LEAST_FREE_BYTES = 64 << 20  # numba lets a write that fails end the run
F = TypeVar("F", bound=Callable[..., Any])


def _cache_folder() -> str:
    """Where compiled loops are kept; empty where that cannot be written."""
    sources = [source.read_bytes() for source in sorted(Path(__file__).parent.glob("*.py"))]
    processor = repr(cpu_target.target_context.codegen().magic_tuple()).encode()
    digest = hashlib.sha256(b"".join([*sources, processor])).hexdigest()
    kept = os.environ.get("NUMBA_CACHE_DIR")
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = (Path(kept) if kept else cache / "vsr" / "kernels") / digest[:16]
        folder.mkdir(parents=True, exist_ok=True)
        has_room = shutil.disk_usage(folder).free > _LEAST_FREE_BYTES
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return ""
    return str(folder) if has_room and os.access(folder, os.W_OK) else ""


_CACHE = _cache_folder()


def jit(function: F) -> F:
    """``function`` compiled at its first call, or read from the cache."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, _CACHE
    try:
        compiled: F = numba.njit(nogil=True, fastmath=False, error_model="numpy", cache=bool(_CACHE))(function)
    finally:
        numba.config.CACHE_DIR = before
    return compiled


def array(tensor: Tensor) -> Array:
    """``tensor`` as loops take it, its values where they are if they lie side by side."""
    values: Array = tensor.detach().contiguous().numpy()
    return values
