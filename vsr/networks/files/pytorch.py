"""Reading ``.pth`` and ``.pt`` files without running anything that is in them.

Such files are pickles. They are read by torch's restricted unpickler, which makes tensors and plain containers and
refuses everything else; a file that holds a whole module (and with it code to import) is refused with that reason.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsr.errors import ModelError

__all__ = ["read_torch"]

_WRAPPERS = (
    "params_ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "netG",
    "generator",
    "weights",
)
"""Keys under which training programs keep the weights, the preferred first."""

_PREFIXES = ("module.", "_orig_mod.")
"""What `torch.nn.DataParallel` and `torch.compile` put in front of every name."""

_MAX_EXPANSION = 4  # torch stores tensors uncompressed; an archive that grows more than this is not a checkpoint


def _check_archive(path: Path) -> None:
    """Refuse truncated archives, other archives, programs, and bombs before torch opens them."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(
            f"{path}: a truncated or damaged torch file (its archive has no end); fetch it again"
        ) from error
    names = [entry.filename for entry in entries]
    if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
        raise ModelError(f"{path}: a TorchScript program, not weights; save its state_dict() instead")
    if not any(name.endswith("/data.pkl") for name in names):
        raise ModelError(f"{path}: a zip archive that torch did not write; unpack it, or save a state_dict()")
    if sum(entry.file_size for entry in entries) > _MAX_EXPANSION * path.stat().st_size + 65536:
        raise ModelError(f"{path}: unpacks to far more than it holds; refused")


def _why_not(error: Exception) -> str:
    """One reason in words of what torch's reader said."""
    text = str(error)
    requested = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"global `?([\w.]+)", text)
    if requested is not None or "weights_only" in text or "Unsupported operand" in text:
        what = f" ({requested[1]})" if requested else ""
        return (
            f"holds Python objects besides tensors{what}, such as a whole pickled module; loading those would run code "
            "from the file, so it is refused; save its state_dict() instead"
        )
    if isinstance(error, MemoryError) or "allocate" in text:
        return "asks for more memory than there is"
    return "a truncated or damaged torch file; fetch it again"


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:  # given a path, torch goes by its suffix
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged pickles fail in every way there is
        raise ModelError(f"{path}: {_why_not(error)}") from error


def _unwrap(content: Any, path: Path) -> Mapping[str, Any]:
    """The innermost dictionary of tensors."""
    if not isinstance(content, Mapping):
        kind = "one tensor without a name" if isinstance(content, Tensor) else type(content).__name__
        raise ModelError(f"{path}: holds {kind}, not a state dict (names with tensors)")
    for key in _WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return _unwrap(content[key], path)
    if any(isinstance(value, Tensor) for value in content.values()):
        return content
    keys = ", ".join(repr(key) for key in list(content)[:5]) or "nothing"
    raise ModelError(f"{path}: no weights in it; it holds {keys}")


def _without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            return _without_prefix({name[len(prefix) :]: value for name, value in tensors.items()})
    return dict(tensors)


def read_torch(path: Path, *, is_archive: bool) -> dict[str, Tensor]:
    """Names and tensors of the state dict in a torch file, wrappers taken off; `ModelError` if there is none.

    ``is_archive``: the zip format (torch 1.6 and later); False: the older one.
    """
    if is_archive:
        _check_archive(path)
    content = _unwrap(_load(path), path)
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    return _without_prefix(tensors)
