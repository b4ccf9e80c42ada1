"""What is learnt from, read once and kept in memory as 8-bit RGB."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.errors import InputError
from vsr.evaluation.sets import DataSet, Item, find_sets
from vsr.media.image_files import read_image
from vsr.media.shots import read_shots
from vsr.observation.resample import resample

__all__ = ["Requested", "Sources", "read_sources"]

_LIMIT_BYTES = 12 << 30


@dataclass(frozen=True)
class Requested:
    """What training asks of its sources."""

    scale: int
    patch_px: int
    """Side of a patch of the small image."""
    sizes: tuple[float, ...]
    """Sizes at which every image is used, as shares of its own."""
    num_frames: int
    """Consecutive frames that are degraded together."""
    shots_per_video: int
    shot_px: int
    """Side of the window that is kept of a shot."""
    seed: int

    @property
    def smallest_side(self) -> int:
        """Pixels that both sides of a true image need."""
        return self.scale * self.patch_px


@dataclass(frozen=True)
class Sources:
    """True images and shots."""

    clips: tuple[Tensor, ...]
    """Each ``(T, H, W, 3)`` uint8 RGB; T is 1 for an image. Sides are multiples of the scale."""
    too_small: tuple[str, ...]
    """Images that were left out, since no patch fits in."""
    digest: str
    """SHA-256 over everything that is there."""
    names: tuple[str, ...]
    """Of the sets, for the model card."""

    @property
    def shots(self) -> list[Tensor]:
        """Those with several frames."""
        return [clip for clip in self.clips if len(clip) > 1]


def read_sources(paths: Sequence[Path], requested: Requested) -> Sources:
    """Read folders of images or of videos.

    Raises `InputError` where a folder is missing, empty, mixed or holds what cannot be read, and where nothing is large
    enough for a patch; a few images that are too small are left out and named.
    """
    sets = find_sets(paths)
    clips: list[Tensor] = []
    too_small: list[str] = []
    digest, held = hashlib.sha256(), 0
    for one in sets:
        for item in one.items:
            digest.update(f"{one.kind} {item.digest}\n".encode())
            for images in _read(one, item, requested):
                usable = [clip for size in requested.sizes if (clip := _clip(images, size, requested)) is not None]
                if not usable:
                    too_small.append(f"{item.path.name} ({images.shape[2]}x{images.shape[1]})")
                clips += usable
                held += sum(clip.numel() for clip in usable)
                _refuse_excess(held, item)
    if not clips:
        raise InputError(
            f"{paths[0]}: none of {len(too_small)} images is large enough, for example {too_small[0]}; a patch of "
            f"{requested.patch_px} at x{requested.scale} needs {requested.smallest_side} pixels a side; lower patch_px"
        )
    return Sources(tuple(clips), tuple(too_small), digest.hexdigest(), tuple(one.name for one in sets))


def _clip(images: NDArray[np.uint8], size: float, requested: Requested) -> Tensor | None:
    """``(T, H, W, 3)`` at ``size``, with sides that are multiples of the scale; None where no patch fits in."""
    full = images.shape[1:3]
    height, width = (round(side * size) // requested.scale * requested.scale for side in full)
    if min(height, width) < requested.smallest_side:
        return None
    if size == 1:
        return torch.from_numpy(np.ascontiguousarray(images[:, :height, :width]))
    planes = torch.from_numpy(np.ascontiguousarray(images)).movedim(-1, -3).float()
    smaller = resample(planes, (height, width), kernel="bicubic", scale_yx=(size, size))
    return smaller.round_().clamp_(0, 255).to(torch.uint8).movedim(-3, -1).contiguous()


def _refuse_excess(held: int, item: Item) -> None:
    if held > _LIMIT_BYTES:
        raise InputError(
            f"{item.path}: the images up to here fill {held / 2**30:.0f} GiB of memory; train on fewer, or lower "
            "shots_per_video or shot_px"
        )


def _read(one: DataSet, item: Item, requested: Requested) -> list[NDArray[np.uint8]]:
    if one.kind == "images":
        return [_as_rgb8(read_image(item.path))[None]]
    rng = np.random.default_rng([requested.seed, int(item.digest[:12], 16)])
    shots = read_shots(item.path, requested.shots_per_video, requested.num_frames, rng)
    return [_window(shot, requested.shot_px, rng) for shot in shots]


def _as_rgb8(image: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Grey images get three equal channels, 16-bit ones are rounded."""
    eight = (image / 257).round().astype(np.uint8) if image.dtype == np.uint16 else image.astype(np.uint8)
    return np.repeat(eight[:, :, None], 3, 2) if eight.ndim == 2 else eight


def _window(shot: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = shot.shape[1:3]
    top, left = (int(rng.integers(0, max(0, size - side) + 1)) for size in (height, width))
    return shot[:, top : top + side, left : left + side]
