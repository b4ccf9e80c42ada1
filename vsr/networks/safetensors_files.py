"""Reading and writing ``.safetensors``: names, tensors, and strings about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vsr.errors import MachineError, ModelError

__all__ = ["read_safetensors", "write_safetensors"]


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file; raises `ModelError` if it is truncated or damaged."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MachineError(f"{path}: reading it needs the package safetensors; pip install safetensors") from error
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: a truncated or damaged safetensors file ({error}); fetch it again") from error


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file; the same content gives the same bytes."""
    from safetensors.torch import save_file

    ordered = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    save_file(ordered, path, metadata=dict(metadata))
