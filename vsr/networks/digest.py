"""A digest of weights that does not depend on the file they came in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor

__all__ = ["weights_digest"]


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256, in hexadecimal, over names, types, shapes and values, in order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()
