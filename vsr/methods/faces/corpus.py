"""Aligned faces that a model learns from, in a file: small, and read without running anything in it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.digest import weights_digest
from vsr.networks.files import read_checkpoint

__all__ = ["FACES", "LEAST_FACES", "LEAST_SIDE_PX", "MOST_SIDE_PX", "read_corpus"]

FACES = "faces"
"""Name of the tensor."""
LEAST_FACES = 16
"""With fewer there is no model to speak of."""
LEAST_SIDE_PX, MOST_SIDE_PX = 32, 512


def read_corpus(path: Path) -> tuple[Tensor, str]:
    """Faces ``(N, H, W)`` uint8, and the digest of what is in the file. Raises `ModelError` for anything else."""
    return _read(path, path.stat().st_mtime_ns if path.is_file() else None)


@lru_cache(maxsize=2)
def _read(path: Path, written_ns: int | None) -> tuple[Tensor, str]:
    tensors = read_checkpoint(path).tensors
    faces = tensors.get(FACES)
    if faces is None or faces.dtype != torch.uint8 or faces.ndim != 3:
        raise ModelError(
            f"{path}: holds no faces; make such a file by: vsr models fit faces OUT.safetensors --data FOLDER"
        )
    sides = faces.shape[1:]
    if len(faces) < LEAST_FACES or min(sides) < LEAST_SIDE_PX or max(sides) > MOST_SIDE_PX:
        raise ModelError(
            f"{path}: {len(faces)} faces of {sides[1]}x{sides[0]}; at least {LEAST_FACES} are needed, with sides of "
            f"{LEAST_SIDE_PX} to {MOST_SIDE_PX} pixels"
        )
    return faces, weights_digest(tensors)
