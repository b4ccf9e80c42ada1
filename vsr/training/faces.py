"""A corpus of aligned faces, from folders of images: what face hallucination learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsr.errors import InputError
from vsr.evaluation.sets import find_sets
from vsr.media.image_files import read_image
from vsr.methods.faces.corpus import FACES, LEAST_FACES, LEAST_SIDE_PX, MOST_SIDE_PX
from vsr.metrics import luma_bt601

__all__ = ["gather_faces"]

_MOST_FACES = 5000


def gather_faces(folders: Sequence[Path]) -> dict[str, Tensor]:
    """``faces`` ``(N, H, W)`` uint8: luma of all images, 0 black and 255 white, in order of their names.

    Raises `UsageError` for no folder, `InputError` for one that is missing, empty or mixed, for images that differ in
    size, and for too few of them.
    """
    faces: list[Tensor] = []
    size_of: tuple[Path, tuple[int, ...]] | None = None
    for data_set in find_sets(folders):
        if data_set.kind != "images":
            raise InputError(f"{data_set.name}: holds videos; a corpus of faces is images, aligned and of one size")
        for item in data_set.items:
            pixels = read_image(item.path)
            luma = _luma(torch.from_numpy(pixels / (257.0 if pixels.dtype == np.uint16 else 1.0)))
            if size_of is not None and size_of[1] != tuple(luma.shape):
                first, shape = size_of
                raise InputError(
                    f"{item.path}: is {luma.shape[1]}x{luma.shape[0]}, and {first.name} {shape[1]}x{shape[0]}; the "
                    "faces of a corpus are aligned and of one size"
                )
            size_of = size_of or (item.path, tuple(luma.shape))
            faces.append(luma.round().clamp(0, 255).to(torch.uint8))
    if not LEAST_FACES <= len(faces) <= _MOST_FACES:
        raise InputError(f"{folders[0]}: {len(faces)} faces; a corpus has {LEAST_FACES} to {_MOST_FACES}")
    sides = faces[0].shape
    if min(sides) < LEAST_SIDE_PX or max(sides) > MOST_SIDE_PX:
        raise InputError(
            f"{folders[0]}: images of {sides[1]}x{sides[0]}; faces of a corpus have sides of {LEAST_SIDE_PX} to "
            f"{MOST_SIDE_PX} pixels"
        )
    return {FACES: torch.stack(faces)}


def _luma(pixels: Tensor) -> Tensor:
    """``(H, W)`` or ``(H, W, 3)`` in 0…255 → ``(H, W)``, 0 black and 255 white."""
    if pixels.ndim == 2:
        return pixels.double()
    return (luma_bt601(pixels.permute(2, 0, 1)) - 16.0) * (255 / 219)
