"""Writing weights as ``.safetensors`` that say themselves what they are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vsr.errors import MachineError, UsageError
from vsr.networks.files import write_safetensors

__all__ = ["save_weights"]


def save_weights(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    architecture: str,
    scale: int | None = None,
    is_generative: bool = False,
    notes: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a state dict to ``path``, whole or not at all.

    ``architecture`` is its row in `NETWORKS` (or spandrel's name for it); ``scale`` its only magnification, None if it
    serves several; ``notes`` are further lines about it. What is written comes back in `Network.metadata`, and
    ``vsr.scale`` and ``vsr.generative`` are taken as they are when it is loaded.
    """
    if path.suffix.lower() != ".safetensors":
        raise UsageError(f"{path}: weights are written as .safetensors; name the file so")
    try:
        is_taken = path.exists()
    except OSError as error:
        raise UsageError(f"{path.name[:40]}…: cannot be a name ({error.strerror or error}); shorten it") from error
    if is_taken and not overwrite:
        raise UsageError(f"{path}: is there already; choose another name, or --force to write over it")
    metadata = {**(notes or {}), "format": "pt", "vsr.architecture": architecture}
    metadata["vsr.generative"] = "true" if is_generative else "false"
    if scale is not None:
        metadata["vsr.scale"] = str(scale)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write_safetensors(partial, tensors, metadata)
        os.replace(partial, path)
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
